//! A PostgreSQL server of the tests' own: in a temporary directory, as an ordinary user, with fsync.

use crate::database::{AddressSecrets, AddressSource, DatabaseAddress};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use std::{env, fs, io, thread};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// Where Debian's package has its programs, one directory for each version.
const PACKAGES: &str = "/usr/lib/postgresql";
/// How often the server is asked whether it is there: half a minute.
const MOST_LOOKS: u32 = 600;

/// A server that ends with this value.
pub(crate) struct Server {
    programs: PathBuf,
    directory: TempDir,
    port: u16,
    owner: Option<(u32, u32)>,
    child: Mutex<Option<Child>>,
}

impl Server {
    /// Starts a server. Without PostgreSQL it says so on standard error; with `CI=true` that is a
    /// failure, because what has to hold before a change lands must not be skipped in silence.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let is_ci = env::var("CI").is_ok_and(|value| value == "true");
            assert!(!is_ci, "CI=true, and there is no PostgreSQL: install postgresql");
            writeln!(io::stderr(), "skipped: no PostgreSQL in {PACKAGES}").unwrap();
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        // The server refuses to run as root.
        let owner = rustix::process::geteuid().is_root().then(ordinary_user);
        if let Some((user, group)) = owner {
            chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Mutex::new(None);
        let server = Self { programs, directory, port, owner, child };
        let data = server.data();
        let made = server
            .command("initdb")
            .args(["--auth=trust", "--username=batch", "--encoding=UTF8", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.begin();
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts the server, or starts it again.
    pub(crate) fn begin(&self) {
        let (data, port) = (self.data(), self.port.to_string());
        let mut command = self.command("postgres");
        command.arg("-D").arg(&data).args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-k"]);
        command.arg(self.directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
        *self.child.lock().unwrap() = Some(command.spawn().unwrap());
        for _ in 0..MOST_LOOKS {
            let mut ready = self.command("pg_isready");
            let ready = ready.args(["-q", "-h", "127.0.0.1", "-p", &port]).status().unwrap();
            if ready.success() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the server does not begin");
    }

    /// Ends the server as a crash would.
    pub(crate) fn crash(&self) {
        let (data, mut command) = (self.data(), self.command("pg_ctl"));
        let stopped = command.args(["stop", "-s", "-m", "immediate", "-D"]).arg(data).status();
        assert!(stopped.unwrap().success());
        let child = self.child.lock().unwrap().take();
        child.unwrap().wait().unwrap();
    }

    /// Returns the address of a database that is made for this test.
    pub(crate) async fn database(&self, name: &str) -> DatabaseAddress {
        self.sql("postgres", &format!("CREATE DATABASE {name}")).await;
        self.address("batch", name)
    }

    pub(crate) fn address(&self, user: &str, name: &str) -> DatabaseAddress {
        let text = format!("postgres://{user}@127.0.0.1:{}/{name}", self.port);
        let secrets = AddressSecrets::default();
        DatabaseAddress::parse(&text, AddressSource::Variable, &secrets).unwrap()
    }

    /// Carries out statements as the owner of the server.
    pub(crate) async fn sql(&self, database: &str, statements: &str) {
        self.client(database).await.batch_execute(statements).await.unwrap();
    }

    /// Returns the first column of the first row.
    pub(crate) async fn number(&self, database: &str, query: &str) -> i64 {
        self.client(database).await.query_one(query, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn client(&self, database: &str) -> Client {
        let config = format!("host=127.0.0.1 port={} user=batch dbname={database}", self.port);
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.lock().unwrap().take();
        if let Some(mut child) = child {
            let (data, mut command) = (self.data(), self.command("pg_ctl"));
            let _ = command.args(["stop", "-s", "-m", "immediate", "-D"]).arg(data).status();
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Returns the directory of the newest installed version.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(PACKAGES).ok()?.filter_map(|entry| {
        let path = entry.ok()?.path();
        let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
        Some((version, path.join("bin"))).filter(|(_, path)| path.join("postgres").is_file())
    });
    versions.max().map(|(_, path)| path)
}

/// Returns the user that Debian's package makes for the server.
fn ordinary_user() -> (u32, u32) {
    let users = fs::read_to_string(Path::new("/etc/passwd")).unwrap();
    let user =
        users.lines().find(|line| line.starts_with("postgres:")).expect("the package's user");
    let ids: Vec<u32> = user.split(':').skip(2).take(2).map(|id| id.parse().unwrap()).collect();
    (ids[0], ids[1])
}
