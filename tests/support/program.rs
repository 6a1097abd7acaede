//! The real binary, in an environment that holds nothing but what a test puts there.

use super::server::Server;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Where a program that counts its lines for `tests/coverage` writes them.
const COUNTS: &str = "LLVM_PROFILE_FILE";

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

/// A call of the program that goes on; killed if it is dropped.
pub(crate) struct Running {
    child: Option<Child>,
    stderr: Option<BufReader<ChildStderr>>,
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
        command.envs(std::env::var_os(COUNTS).map(|path| (COUNTS, path)));
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
        Ended::from_output(command.output().unwrap())
    }

    /// Starts the program and lets it run.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::spawn(self.command(arguments))
    }

    /// Starts a shell script, to which the program is `$0`.
    pub(crate) fn start_in_shell(&self, script: &str) -> Running {
        Running::spawn(self.in_shell(script, &[]))
    }

    /// A shell script, to which the program is `$0` and its arguments are `$@`.
    pub(crate) fn in_shell(&self, script: &str, arguments: &[&str]) -> Command {
        let program = self.command(&[]);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script]).arg(program.get_program()).args(arguments).env_clear();
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(self.home.path());
        shell
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
    /// Starts a command with nothing on its standard input; both other streams are kept.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().map(BufReader::new);
        Self { child: Some(child), stderr, said: String::new() }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("taken only at the end")
    }

    /// Returns the number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("taken only at the end").id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a child has an id"), signal).unwrap();
    }

    /// Returns whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child().try_wait().unwrap().is_some()
    }

    /// Takes standard output away; dropping it closes the pipe.
    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.child().stdout.take().unwrap()
    }

    /// Closes the reading end of standard error.
    pub(crate) fn close_stderr(&mut self) {
        drop(self.stderr.take());
    }

    /// Waits until the program says something on standard error.
    pub(crate) fn wait_until_it_says(&mut self, text: &str) {
        let stderr = self.stderr.as_mut().expect("standard error is open");
        while !self.said.contains(text) {
            let read = stderr.read_line(&mut self.said).unwrap();
            assert_ne!(read, 0, "it ended without `{text}`: {}", self.said);
        }
    }

    /// Kills the process, and returns what it said until then.
    pub(crate) fn kill(mut self) -> Ended {
        // A process that has just ended cannot be killed any more.
        let _ = self.child().kill();
        self.ended()
    }

    /// Waits for the end without a limit: a runner reports a test that hangs.
    pub(crate) fn ended(mut self) -> Ended {
        let child = self.child.take().expect("taken only at the end");
        let stderr = self.stderr.take();
        let said = std::mem::take(&mut self.said);
        // Both streams are read at once, because a full pipe would hold the process.
        let rest = thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.map(|mut stderr| stderr.read_to_end(&mut bytes)).transpose().unwrap();
            bytes
        });
        let output = child.wait_with_output().unwrap();
        let stderr = [said.into_bytes(), rest.join().unwrap()].concat();
        Ended::from_output(Output { stderr, ..output })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ended {
    fn from_output(output: Output) -> Self {
        let code = output.status.code();
        // A kill may cut a character in two.
        let text = |bytes: Vec<u8>| match code {
            None => String::from_utf8_lossy(&bytes).into_owned(),
            Some(_) => String::from_utf8(bytes).unwrap(),
        };
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(!stderr.contains("panicked at"), "{stderr}");
        Self { code, stdout, stderr }
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
