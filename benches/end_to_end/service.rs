//! The service that all contenders call: one nginx worker, or the sandbox where there is none.
//!
//! It answers every action with success and the task's id, as the service does.

use super::Trouble;
use super::contender::is_in_path;
use batchctl::sandbox::SandboxSettings;
use batchctl::sandbox::SandboxThread;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use std::fs;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// How often, 10 ms apart, nginx is asked whether it listens.
const TRIES: u32 = 500;

/// A service on this machine, which ends when it is dropped.
pub(super) enum Service {
    Nginx { master: Child, url: String, _folder: TempDir },
    Sandbox(SandboxThread),
}

impl Service {
    pub(super) fn start() -> Result<Self, Trouble> {
        if is_in_path("nginx") {
            return nginx();
        }
        let latency = Duration::ZERO..=Duration::ZERO;
        let settings = SandboxSettings { latency, ..SandboxSettings::default() };
        Ok(Self::Sandbox(SandboxThread::start(settings)?))
    }

    pub(super) fn url(&self) -> &str {
        match self {
            Self::Nginx { url, .. } => url,
            Self::Sandbox(sandbox) => sandbox.url(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Nginx { .. } => "one nginx worker",
            Self::Sandbox(_) => "the sandbox, for nginx is not installed",
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let Self::Nginx { master, .. } = self else { return };
        // Killed the hard way it would leave its worker behind.
        let id = i32::try_from(master.id()).ok().and_then(Pid::from_raw);
        let _ = id.map(|id| kill_process(id, Signal::TERM));
        let _ = master.wait();
    }
}

fn nginx() -> Result<Service, Trouble> {
    let folder = tempfile::tempdir()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config = folder.path().join("nginx.conf");
    fs::write(&config, configuration(folder.path(), &address.to_string()))?;
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-p"]).arg(folder.path()).arg("-c").arg(config);
    let master = command.stdout(Stdio::null()).spawn()?;
    let url = format!("http://{address}");
    let service = Service::Nginx { master, url, _folder: folder };
    for _ in 0..TRIES {
        if TcpStream::connect(address).is_ok() {
            return Ok(service);
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err("nginx does not listen".into())
}

fn configuration(folder: &Path, address: &str) -> String {
    let folder = folder.display();
    format!(
        r#"daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {address} backlog=16384;
    location ~ ^/v2/[^/]+/batch-tasks/(?<task>[^/]+)/action/ {{
      default_type application/json;
      return 200 '{{"total_count":1,"failed_count":0,"succeed_count":1,"id":"$task","error_list":[]}}';
    }}
  }}
}}
"#
    )
}
