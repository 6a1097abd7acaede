//! TLS to the database: the server proves its name, or nothing is sent.

use crate::database::address::{DatabaseAddress, Tls};
use crate::database::error::DatabaseError;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::Verifier;
use std::error::Error;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Returns what makes connections of this kind; nothing without TLS.
pub(super) fn connector(
    address: &DatabaseAddress,
) -> Result<Option<MakeRustlsConnect>, DatabaseError> {
    if address.tls == Tls::None {
        return Ok(None);
    }
    let make = || -> Result<ClientConfig, Box<dyn Error + Send + Sync>> {
        let authorities = address.authorities.clone();
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(authorities, Arc::clone(&provider))?;
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            // The machine's own verifier, which checks the name as well.
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth())
    };
    let shown = address.shown().to_owned();
    let unreachable = |source| DatabaseError::Unreachable { shown, source };
    Ok(Some(MakeRustlsConnect::new(make().map_err(unreachable)?)))
}
