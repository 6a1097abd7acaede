//! The real binary, in an environment that holds nothing but what a test puts there.

use super::server::Server;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStderr;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

/// The token of all tests, which must show up nowhere.
pub(crate) const TOKEN: &str = "MIIF+secret/token==";
/// How long anything may take: only what hangs comes to it.
const FOREVER: Duration = Duration::from_secs(120);

/// An empty home with its files, and the program in it.
pub(crate) struct Scene {
    home: TempDir,
    variables: Vec<(String, String)>,
}

/// What one call of the program came to.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status; nothing if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A call of the program that goes on.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Scene {
    /// An empty home and no service.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { home, variables: Vec::new() }
    }

    /// An empty home, and a service that is called with a token.
    pub(crate) fn with(server: &Server) -> Self {
        let mut scene = Self::new();
        scene.set("BATCHCTL_ENDPOINT", &server.url());
        scene.set("BATCHCTL_PROJECT_ID", "project-1");
        scene.set("BATCHCTL_TOKEN", TOKEN);
        scene
    }

    /// Sets a variable for all calls.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.variables.push((name.into(), value.into()));
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.retain(|(other, _)| other != name);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file of the working directory.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes config.toml.
    pub(crate) fn configure(&self, content: &str) {
        self.write(".config/batchctl/config.toml", content);
    }

    /// Where the program keeps its runs unless it is told otherwise.
    pub(crate) fn state(&self) -> PathBuf {
        self.path(".local/state/batchctl")
    }

    /// Returns the names of the files in which runs are kept.
    pub(crate) fn runs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.state().join("runs")) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.ends_with(".lock")).collect();
        names.sort();
        names
    }

    /// Returns every file below the home, with what is in it.
    pub(crate) fn all_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(self.home.path(), &mut found);
        found
    }

    /// The program with arguments, in the home, with an environment of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_batchctl"));
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("HOME", self.home.path()).current_dir(self.home.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Calls the program and waits for its end.
    pub(crate) fn call(&self, arguments: &[&str]) -> Ended {
        self.call_with_input(arguments, b"")
    }

    /// Calls the program with something on its standard input.
    pub(crate) fn call_with_input(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = assert_cmd::Command::from_std(self.command(arguments));
        command.timeout(FOREVER).write_stdin(input);
        Ended::of(command.output().unwrap())
    }

    /// Starts the program and lets it run.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Self::started(self.command(arguments))
    }

    /// Starts a shell script, to which the program is `$0`.
    pub(crate) fn start_in_shell(&self, script: &str) -> Running {
        let program = self.command(&[]);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script]).arg(program.get_program()).env_clear();
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(self.home.path());
        Self::started(shell)
    }

    fn started(mut command: Command) -> Running {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running { child, stderr, said: String::new() }
    }
}

fn collect(directory: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let content = fs::read(&path).unwrap();
            found.push((path, content));
        }
    }
}

impl Running {
    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Tells whether it has come to its end.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Takes standard output away; whoever drops it closes it.
    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    /// Waits until the program says something on standard error.
    pub(crate) fn wait_until_it_says(&mut self, text: &str) {
        while !self.said.contains(text) {
            let read = self.stderr.read_line(&mut self.said).unwrap();
            assert_ne!(read, 0, "it ended without `{text}`: {}", self.said);
        }
    }

    /// Waits for the end, for ever if need be: a test that hangs is told of by who runs it.
    pub(crate) fn ended(mut self) -> Ended {
        self.stderr.read_to_string(&mut self.said).unwrap();
        let ended = Ended::of(self.child.wait_with_output().unwrap());
        Ended { stderr: self.said, ..ended }
    }
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Self { code: output.status.code(), stdout, stderr }
    }

    /// Asserts the exit status, and shows both streams if it is another.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        let (stdout, stderr) = (&self.stdout, &self.stderr);
        assert_eq!(self.code, Some(code), "stdout: {stdout}\nstderr: {stderr}");
        self
    }

    /// Asserts that standard error contains a text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not in stderr: {}", self.stderr);
        self
    }

    /// Asserts that standard output contains a text.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "`{text}` is not in stdout: {}", self.stdout);
        self
    }
}
