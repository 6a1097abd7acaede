//! The text of an address: its options, and the hosts that it names.
//!
//! libpq's form, which PostgreSQL documents: `postgres://USER@HOST:PORT,HOST:PORT/NAME?KEY=VALUE`. No
//! reader of URLs takes several hosts, so the parts are split here, and read by the client.

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The port where PostgreSQL listens, unless another one is named.
const USUAL_PORT: u16 = 5432;

/// An address, without the options that are for batchctl to decide on.
pub(super) struct Dsn {
    /// What is left for the client.
    text: String,
    own: Vec<(String, String)>,
}

impl Dsn {
    /// Takes the options of these names out of an address.
    ///
    /// # Errors
    ///
    /// It is no address of PostgreSQL; the reason quotes nothing of it, because it may hold a password.
    pub(super) fn without(text: &str, names: &[&str]) -> Result<Self, &'static str> {
        let (scheme, _) = text.split_once("://").ok_or("this is no URL")?;
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err("it begins with another word");
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut others, mut own) = (Vec::new(), Vec::new());
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').ok_or("an option of it has no value")?;
            let (name, plain) = (decoded(key)?, decoded(value)?);
            if names.contains(&&*name) {
                own.push((name, plain));
            } else if name == "host" {
                // The client takes one host an option.
                let hosts = value.replace("%2C", ",").replace("%2c", ",");
                others.extend(hosts.split(',').map(|host| format!("host={host}")));
            } else {
                // The client takes everything before the first one for the user.
                others.push(option.replace('@', "%40"));
            }
        }
        let mark = if others.is_empty() { "" } else { "?" };
        Ok(Self { text: format!("{base}{mark}{}", others.join("&")), own })
    }

    /// Returns the value of an option that was taken out.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.own.iter().rev().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// Reads what is left.
    pub(super) fn config(&self) -> Result<Config, &'static str> {
        let config: Config =
            self.text.parse().map_err(|_| "an option of it is unknown, or a port is no number")?;
        let (hosts, ports) = (config.get_hosts().len(), config.get_ports().len());
        let addresses = config.get_hostaddrs().len();
        if hosts == 0 || config.get_hosts().contains(&Host::Tcp(String::new())) {
            return Err("it names no host");
        }
        if (ports > 1 && ports != hosts) || (addresses > 0 && addresses != hosts) {
            return Err("it has not one port or address for each host");
        }
        Ok(config)
    }
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| "it is no text")?;
    Ok(decoded.into_owned())
}

/// Returns the names of the hosts.
pub(super) fn hosts(config: &Config) -> Vec<String> {
    config.get_hosts().iter().map(name_of).collect()
}

fn name_of(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

/// Returns a port for each host.
pub(super) fn ports(config: &Config) -> Vec<u16> {
    let ports = config.get_ports();
    let port = |place: usize| ports.get(place).or(ports.first()).copied().unwrap_or(USUAL_PORT);
    (0..config.get_hosts().len()).map(port).collect()
}

/// Returns one configuration for each host, in their order. So each host has its own time to answer:
/// one that takes connections and says nothing keeps nobody from the next.
pub(super) fn for_each_host(config: &Config) -> Vec<Config> {
    let (hosts, ports) = (config.get_hosts(), ports(config));
    let one = |(place, host): (usize, &Host)| {
        let mut one = Config::new();
        match host {
            Host::Tcp(name) => drop(one.host(name)),
            Host::Unix(path) => drop(one.host_path(path)),
        }
        if let Some(&address) = config.get_hostaddrs().get(place) {
            one.hostaddr(address);
        }
        one.port(ports[place]);
        if let Some(user) = config.get_user() {
            one.user(user);
        }
        if let Some(password) = config.get_password() {
            one.password(password);
        }
        if let Some(name) = config.get_dbname() {
            one.dbname(name);
        }
        if let Some(options) = config.get_options() {
            one.options(options);
        }
        one.keepalives(config.get_keepalives());
        if let Some(interval) = config.get_keepalives_interval() {
            one.keepalives_interval(interval);
        }
        if let Some(retries) = config.get_keepalives_retries() {
            one.keepalives_retries(retries);
        }
        one.ssl_negotiation(config.get_ssl_negotiation());
        one.channel_binding(config.get_channel_binding());
        one
    };
    hosts.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns each host with its port.
    fn read(text: &str) -> Result<Vec<(String, u16)>, &'static str> {
        let config = Dsn::without(text, &["sslmode"])?.config()?;
        Ok(hosts(&config).into_iter().zip(ports(&config)).collect())
    }

    fn check(text: &str, expected: &[(&str, u16)]) {
        let expected: Vec<(String, u16)> =
            expected.iter().map(|&(name, port)| (name.to_owned(), port)).collect();
        assert_eq!(read(text), Ok(expected), "{text}");
    }

    #[test]
    fn every_form_of_libpq_names_the_same_hosts() {
        check("postgres://db/runs", &[("db", 5432)]);
        check("postgres://me@a:1,b:2/runs", &[("a", 1), ("b", 2)]);
        check("postgresql://me@a,b:2,c/runs", &[("a", 5432), ("b", 2), ("c", 5432)]);
        check("postgres://[::1]:7,[fe80::1]/runs", &[("::1", 7), ("fe80::1", 5432)]);
        check("postgres:///runs?host=a&host=b&port=1,2", &[("a", 1), ("b", 2)]);
        check("postgres:///runs?host=a,b%2Cc&port=7", &[("a", 7), ("b", 7), ("c", 7)]);
        check("postgres:///runs?host=/run/postgresql&port=7", &[("/run/postgresql", 7)]);
        check("postgres://%2Frun%2Fpostgresql/runs", &[("/run/postgresql", 5432)]);
        check("postgres://a,b/runs?hostaddr=10.0.0.1,10.0.0.2", &[("a", 5432), ("b", 5432)]);
    }

    #[test]
    fn what_does_not_name_hosts_is_refused() {
        for text in [
            "db:5432",
            "mysql://db/runs",
            "postgres://",
            "postgres:///runs",
            "postgres://a,,b/runs",
            "postgres://a:x/runs",
            "postgres://a:70000/runs",
            "postgres://a,b/runs?hostaddr=10.0.0.1",
            "postgres://a/runs?sslmode",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn options_are_taken_out_as_they_are_meant() {
        let dsn = Dsn::without("postgres://a/runs?ssl%6Dode=x%26y&options=-c%20a@b", &["sslmode"]);
        let dsn = dsn.unwrap();
        assert_eq!(dsn.option("sslmode"), Some("x&y"));
        let config = dsn.config().unwrap();
        assert_eq!((config.get_options(), config.get_user()), (Some("-c a@b"), None));
    }

    #[test]
    fn each_host_has_a_configuration_of_its_own() {
        let text =
            "postgres://me:secret@a:1,b:2/runs?hostaddr=10.0.0.1,10.0.0.2&keepalives_retries=3";
        let config = Dsn::without(text, &[]).unwrap().config().unwrap();
        let each = for_each_host(&config);
        assert_eq!(each.len(), 2);
        for (one, (name, port)) in each.iter().zip([("a", 1), ("b", 2)]) {
            assert_eq!((hosts(one), one.get_ports()), (vec![name.to_owned()], &[port][..]));
            assert_eq!(one.get_hostaddrs().len(), 1);
            assert_eq!((one.get_user(), one.get_dbname()), (Some("me"), Some("runs")));
            assert_eq!(
                (one.get_password(), one.get_keepalives_retries()),
                (Some(&b"secret"[..]), Some(3))
            );
        }
    }
}
