//! The programs that are compared, and how each is told to make the same calls.

use super::Trouble;
use super::bare_reqwest;
use std::fs;
use std::fs::File;
use std::fs::Permissions;
use std::io::BufRead;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

const CONCURRENCY: &str = "64";
/// The token that the service is to be called with: a call without one is no call of it.
const TOKEN: &str = "benchmark-token";
/// `xargs` starts a process for each call: it makes so many times fewer.
const FEWER: usize = 50;
/// The file that describes VIAS.
const SERVICE: &str = "vias.toml";
/// What curl tells of each call.
const STATUS_AND_URL: &str = "%{http_code} %{url_effective}\n";

/// A program that makes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    Batchctl,
    /// With VIAS as a file describes it, instead of the built-in service.
    ByFile,
    Oha,
    BareReqwest,
    /// With the same settings for all URLs, which costs it least.
    Curl,
    /// With a block of settings for each URL, as where they differ.
    CurlBlocks,
    Xargs,
}

/// The files that all of them work from.
pub(super) struct Ground {
    folder: TempDir,
    url: String,
    calls: usize,
}

impl Ground {
    pub(super) fn prepare(url: &str, calls: usize) -> Result<Self, Trouble> {
        let ground = Self { folder: tempfile::tempdir()?, url: url.into(), calls };
        let file = |name| File::create(ground.path(name)).map(BufWriter::new);
        let (mut ids, mut urls) = (file("ids.txt")?, file("urls.txt")?);
        let (mut curl, mut blocks) = (file("curl.conf")?, file("curl-blocks.conf")?);
        let mut fewer = file("fewer.txt")?;
        // Line by line: the kernel counts the memory of this process as its children's first.
        for number in 0..calls {
            let id = format!("task-{number:027x}");
            let url = format!("{url}/v2/project/batch-tasks/{id}/action/stop");
            writeln!(ids, "{id}")?;
            writeln!(urls, "{url}")?;
            writeln!(curl, "url = \"{url}\"\noutput = \"/dev/null\"")?;
            blocks.write_all(curl_block(&url, number == 0).as_bytes())?;
            if number < calls.div_ceil(FEWER) {
                writeln!(fewer, "{url}")?;
            }
        }
        for mut file in [ids, urls, curl, blocks, fewer] {
            file.flush()?;
        }
        fs::write(ground.path(SERVICE), batchctl::service::VIAS.1)?;
        // A file that others may write is refused.
        fs::set_permissions(ground.path(SERVICE), Permissions::from_mode(0o600))?;
        Ok(ground)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Contender {
    pub(super) const ALL: [Self; 7] = [
        Self::Batchctl,
        Self::ByFile,
        Self::Oha,
        Self::BareReqwest,
        Self::Curl,
        Self::CurlBlocks,
        Self::Xargs,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Batchctl => "batchctl, store and results.csv",
            Self::ByFile => "the same, VIAS by its file",
            Self::Oha => "oha, URLs from a file",
            Self::BareReqwest => "bare reqwest loop",
            Self::Curl => "curl --parallel, config file",
            Self::CurlBlocks => "curl, settings for each URL",
            Self::Xargs => "xargs -P64 curl",
        }
    }

    pub(super) fn leaves(self) -> &'static str {
        match self {
            Self::Batchctl | Self::ByFile => "every attempt and outcome, on disk",
            Self::Oha => "totals and a histogram",
            Self::BareReqwest => "nothing",
            Self::Curl | Self::CurlBlocks | Self::Xargs => "a status for each URL",
        }
    }

    /// Tells whether it is batchctl itself.
    pub(super) fn is_batchctl(self) -> bool {
        matches!(self, Self::Batchctl | Self::ByFile)
    }

    pub(super) fn is_installed(self) -> bool {
        match self {
            Self::Batchctl | Self::ByFile | Self::BareReqwest => true,
            Self::Oha => is_in_path("oha"),
            Self::Curl | Self::CurlBlocks => is_in_path("curl"),
            Self::Xargs => is_in_path("curl") && is_in_path("xargs"),
        }
    }

    /// Returns how many calls it makes.
    pub(super) fn calls(self, ground: &Ground) -> usize {
        match self {
            Self::Xargs => ground.calls.div_ceil(FEWER),
            _ => ground.calls,
        }
    }

    pub(super) fn command(self, ground: &Ground) -> Result<Command, Trouble> {
        match self {
            Self::Batchctl => batchctl(ground),
            Self::ByFile => {
                let mut command = batchctl(ground)?;
                command.arg("--service").arg(ground.path(SERVICE));
                Ok(command)
            }
            Self::Oha => Ok(oha(ground)),
            Self::BareReqwest => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(bare_reqwest::WORD).arg(ground.path("urls.txt")).arg(CONCURRENCY);
                Ok(command)
            }
            Self::Curl => Ok(curl(ground)),
            Self::CurlBlocks => Ok(curl_in_blocks(ground)),
            Self::Xargs => xargs(ground),
        }
    }

    /// Makes sure that it has done what it was measured for.
    pub(super) fn check(self, ground: &Ground) -> Result<(), Trouble> {
        if !self.is_batchctl() {
            return Ok(());
        }
        let results = BufReader::new(File::open(ground.path("results.csv"))?);
        let rows = results.lines().map_while(Result::ok);
        let succeeded = rows.filter(|row| row.contains(",succeeded,")).count();
        if succeeded == ground.calls { Ok(()) } else { Err("tasks are missing".into()) }
    }
}

fn batchctl(ground: &Ground) -> Result<Command, Trouble> {
    let state = ground.path("state");
    // Each round begins with an empty directory, as its first did.
    let _ = fs::remove_dir_all(&state);
    fs::create_dir(&state)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_batchctl"));
    command.env_clear().env("HOME", ground.folder.path()).env("BATCHCTL_TOKEN", TOKEN);
    command.args(["stop", "--rate", "none", "--yes", "--quiet", "--project-id", "project"]);
    command.args(["-j", CONCURRENCY, "--endpoint", &ground.url]);
    command.arg("--state-dir").arg(state).arg("-o").arg(ground.path("results.csv"));
    command.arg(ground.path("ids.txt"));
    Ok(command)
}

fn oha(ground: &Ground) -> Command {
    let mut command = Command::new("oha");
    command.args(["--no-tui", "-m", "PUT", "-c", CONCURRENCY, "-n", &ground.calls.to_string()]);
    command.arg("-H").arg(token_header()).arg("--urls-from-file").arg(ground.path("urls.txt"));
    command
}

fn curl(ground: &Ground) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--request", "PUT", "--parallel", "--parallel-max", CONCURRENCY]);
    command.arg("--header").arg(token_header());
    command.args(["--write-out", STATUS_AND_URL, "--config"]);
    command.arg(ground.path("curl.conf"));
    command
}

fn curl_in_blocks(ground: &Ground) -> Command {
    let mut command = Command::new("curl");
    command.args(["--parallel", "--parallel-max", CONCURRENCY, "--config"]);
    command.arg(ground.path("curl-blocks.conf"));
    command
}

/// Returns the settings of one URL, which begin with `next` unless they are the first.
fn curl_block(url: &str, is_first: bool) -> String {
    let next = if is_first { "" } else { "next\n" };
    let (header, told) = (token_header(), STATUS_AND_URL.escape_default());
    format!(
        "{next}url = \"{url}\"\nrequest = \"PUT\"\nheader = \"{header}\"\n\
         output = \"/dev/null\"\nsilent\nwrite-out = \"{told}\"\n"
    )
}

fn xargs(ground: &Ground) -> Result<Command, Trouble> {
    let mut command = Command::new("xargs");
    command.args(["-P", CONCURRENCY, "-n", "1", "curl", "--silent", "--request", "PUT"]);
    command.arg("--header").arg(token_header());
    command.args(["--output", "/dev/null", "--write-out", STATUS_AND_URL]);
    command.stdin(File::open(ground.path("fewer.txt"))?);
    Ok(command)
}

fn token_header() -> String {
    format!("X-Auth-Token: {TOKEN}")
}

/// Tells whether a program would be found.
pub(super) fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| is_program(&directory.join(program)))
}

fn is_program(path: &Path) -> bool {
    path.is_file()
}
