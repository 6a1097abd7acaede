//! A PostgreSQL server of a test's own: in a temporary directory, as an ordinary user, with fsync.

use std::fs::Permissions;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, io, thread};
use tempfile::TempDir;

/// Where Debian's package has its programs, one directory for each version.
const PACKAGES: &str = "/usr/lib/postgresql";
/// How often the server is asked whether it is there: a minute.
const MOST_LOOKS: u32 = 1_200;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A server that ends with this value.
pub(crate) struct Postgres {
    programs: PathBuf,
    directory: TempDir,
    port: u16,
    owner: Option<(u32, u32)>,
    child: Option<Child>,
}

impl Postgres {
    /// Starts a server with a database `runs`. Without PostgreSQL it says so on standard error; with
    /// `CI=true` that is a failure: what has to hold before a change lands must not be skipped.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let is_ci = env::var("CI").is_ok_and(|value| value == "true");
            assert!(!is_ci, "CI=true, and there is no PostgreSQL: install postgresql");
            let _ = writeln!(io::stderr(), "skipped: no PostgreSQL in {PACKAGES}");
            return None;
        };
        let mut server = Self::place(programs);
        let arguments = ["--auth=trust", "--username=batch", "--encoding=UTF8", "--no-sync", "-D"];
        let made = server.command("initdb").args(arguments).arg(server.data()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.begin();
        server.sql_in("postgres", "CREATE DATABASE runs");
        Some(server)
    }

    /// Returns a directory and a port for a server.
    fn place(programs: PathBuf) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The server refuses to run as root.
        let owner = rustix::process::geteuid().is_root().then(ordinary_user);
        if let Some((user, group)) = owner {
            chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { programs, directory, port, owner, child: None }
    }

    /// Starts a server that follows this one, and confirms each of its commits.
    pub(crate) fn follower(&self) -> Self {
        let mut follower = Self::place(self.programs.clone());
        let from = format!("host=127.0.0.1 port={} user=batch", self.port);
        let mut copy = follower.command("pg_basebackup");
        copy.args(["-R", "-X", "stream", "-c", "fast", "-d", &from, "-D"]).arg(follower.data());
        let made = copy.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        follower.begin();
        self.set("synchronous_standby_names", "'*'");
        let follows = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        for _ in 0..MOST_LOOKS {
            if self.number(follows) == 1 {
                return follower;
            }
            thread::sleep(LOOK_AGAIN);
        }
        panic!("nobody follows the server");
    }

    /// Lets a server that follows another one take its place.
    pub(crate) fn promote(&self) {
        let mut command = self.command("pg_ctl");
        let promoted = command.args(["promote", "-s", "-D"]).arg(self.data()).status();
        assert!(promoted.unwrap().success());
    }

    /// Changes a setting of the server while it runs.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.sql(&format!("ALTER SYSTEM SET {name} = {value}"));
        self.sql("SELECT pg_reload_conf()");
    }

    /// Protects the server with TLS, by the chain of a certificate and its key.
    pub(crate) fn protect(&self, chain: &str, key: &str) {
        for (name, content) in [("cert.pem", chain), ("key.pem", key)] {
            let path = self.data().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            if let Some((user, group)) = self.owner {
                chown(&path, Some(user), Some(group)).unwrap();
            }
        }
        self.sql("ALTER SYSTEM SET ssl_cert_file = 'cert.pem'");
        self.sql("ALTER SYSTEM SET ssl_key_file = 'key.pem'");
        self.set("ssl", "on");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
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
    pub(crate) fn begin(&mut self) {
        let port = self.port.to_string();
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &port, "-c", "listen_addresses=127.0.0.1"]);
        command.arg("-k").arg(self.directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        for _ in 0..MOST_LOOKS {
            let mut ready = self.command("pg_isready");
            if ready.args(["-q", "-h", "127.0.0.1", "-p", &port]).status().unwrap().success() {
                return;
            }
            thread::sleep(LOOK_AGAIN);
        }
        panic!("the server does not begin");
    }

    /// Ends the server as a crash would.
    pub(crate) fn crash(&mut self) {
        self.stop();
        self.child.take().unwrap().wait().unwrap();
    }

    fn stop(&self) {
        let mut command = self.command("pg_ctl");
        let stopped = command.args(["stop", "-s", "-m", "immediate", "-D"]).arg(self.data());
        let _ = stopped.status();
    }

    /// Returns the address of a database.
    pub(crate) fn address(&self, database: &str) -> String {
        format!("postgres://batch@127.0.0.1:{}/{database}", self.port)
    }

    /// Carries out statements in the database of runs, and returns the first value of each row.
    pub(crate) fn sql(&self, statements: &str) -> Vec<String> {
        self.sql_in("runs", statements)
    }

    /// Returns a number from the database of runs.
    pub(crate) fn number(&self, query: &str) -> u64 {
        self.sql(query)[0].parse().unwrap()
    }

    pub(crate) fn sql_in(&self, database: &str, statements: &str) -> Vec<String> {
        let mut command = self.command("psql");
        command.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.address(database)]);
        let output = command.args(["-c", statements]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// Returns everything that is in the database of runs.
    pub(crate) fn dump(&self) -> String {
        let mut command = self.command("pg_dump");
        let output = command.args(["--inserts", "-d", &self.address("runs")]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            self.stop();
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
