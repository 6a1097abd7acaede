//! The name `localhost`, which is this machine whatever a name server says (RFC 6761, 6.3).
//!
//! Plain HTTP to this name needs no flag. So the name must not lead to another machine, where
//! `/etc/hosts` does not know it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns whether a host is this machine by its name.
pub(super) fn is_name(host: &str) -> bool {
    host.trim_end_matches('.').eq_ignore_ascii_case("localhost")
}

/// Returns the addresses of the name.
pub(super) fn addresses(port: u16) -> [SocketAddr; 2] {
    [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_leads_to_this_machine_alone() {
        assert!(addresses(80).iter().all(|address| address.ip().is_loopback()));
        for name in ["localhost", "LOCALHOST", "localhost."] {
            assert!(is_name(name), "{name}");
        }
        for name in ["localhost.example.com", "my-localhost", "localhos", ""] {
            assert!(!is_name(name), "{name}");
        }
    }
}
