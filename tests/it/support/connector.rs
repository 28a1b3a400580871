//! The connector's real program, run in a scratch folder.

use std::fs::Permissions;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use deskie_cdc_sandbox::sample_site::{self, Places};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::watch;

use super::{LIMIT, Site, free_port};

/// The connector's own user in the tests' databases; `setup --admin-url` makes it.
const USER: &str = "deskie_cdc";

/// `run` ends within 10 s of a SIGTERM; a machine under load gets a little more.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The shell becomes the program; a grandchild of it kills the program if this test process dies.
const LEASH: &str = r#"
exec 3<&0 </dev/null
( ( read -r word <&3 || kill -KILL $$ ) >/dev/null 2>&1 & )
exec "$@" 3<&-
"#;

/// A scratch folder with a config file in which the program runs.
pub struct Workplace {
    folder: TempDir,
    /// What the config file was made of.
    pub places: Places,
}

/// A command that ran to its end.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A running `deskie-cdc run` (or another command that stays).
pub struct Connector {
    child: tokio::process::Child,
    log: watch::Receiver<Vec<String>>,
    _leash: std::io::PipeWriter,
}

/// The sample site's config without its files, its chats and its token: a test that needs some has its own.
fn bare(config: &str) -> String {
    let (without, _) = config.split_once("\n[[attachment]]").expect("the sample's files");
    let lines = without.lines().filter(|line| {
        let key = line.split(' ').next();
        key != Some("channel") && key != Some("admin_token")
    });
    let without: String = lines.map(|line| format!("{line}\n")).collect();
    without.replace("custom_id = \"u.id::text\", ", "") + "\n"
}

impl Workplace {
    /// With the sample site's config, its own free ports, and a Deskie at this address.
    pub fn new(site: &Site, deskie_url: &str) -> Workplace {
        let listen = free_port();
        let admin_listen = std::iter::repeat_with(free_port).find(|port| *port != listen);
        Workplace::with(Places {
            database_url: site.url(USER),
            deskie_url: deskie_url.to_owned(),
            staff_email: "api@example.com".to_owned(),
            api_key: "simulator-key".to_owned(),
            listen: format!("127.0.0.1:{listen}"),
            admin_listen: format!("127.0.0.1:{}", admin_listen.unwrap_or_default()),
            webhook_secret: "demo-webhook-secret".to_owned(),
        })
    }

    /// With the sample site's config and these places.
    pub fn with(places: Places) -> Workplace {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let workplace = Workplace { folder, places };
        workplace.write_config(&bare(&sample_site::config(&workplace.places)));
        workplace
    }

    /// The scratch folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The config file, where the program looks for it by itself.
    pub fn config_file(&self) -> PathBuf {
        self.folder().join("deskie-cdc.toml")
    }

    /// Replaces the config file.
    pub fn write_config(&self, text: &str) {
        let file = self.config_file();
        std::fs::write(&file, text).expect("the config file");
        // Its secrets are written out.
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its mode");
    }

    /// Replaces one piece of the config file, which must be there.
    #[track_caller]
    pub fn change_config(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config_file()).expect("the config file");
        assert!(text.contains(from), "`{from}` is not in the config:\n{text}");
        self.write_config(&text.replace(from, to));
    }

    /// Where Deskie posts its webhooks.
    pub fn webhook_url(&self) -> String {
        format!(
            "http://{}/webhooks/{}",
            self.places.listen, self.places.webhook_secret
        )
    }

    /// A page of the admin port, e.g. `/health/ready`.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.places.admin_listen)
    }

    /// Runs a command to its end; a panic if that takes too long.
    #[track_caller]
    pub fn command(&self, arguments: &[&str]) -> impl Future<Output = Finished> {
        let caller = Location::caller();
        let mut command = self.program();
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        let arguments = arguments.join(" ");
        async move {
            let Ok(output) = tokio::time::timeout(LIMIT, command.output()).await else {
                panic!("{caller}: `{arguments}` did not end within {} s", LIMIT.as_secs());
            };
            let output = output.expect("the program starts");
            Finished {
                status: output.status,
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            }
        }
    }

    /// Starts `run`.
    pub fn run(&self) -> Connector {
        self.spawn(&["run"])
    }

    /// Starts `run` with more variables in its environment.
    pub fn run_with(&self, variables: &[(&str, &str)]) -> Connector {
        let program = [env!("CARGO_BIN_EXE_deskie-cdc"), "run"];
        Connector::spawn_with(self.folder(), &program, variables)
    }

    /// Starts a command that stays.
    pub fn spawn(&self, arguments: &[&str]) -> Connector {
        let program = [env!("CARGO_BIN_EXE_deskie-cdc")];
        Connector::spawn(self.folder(), &[program.as_slice(), arguments].concat())
    }

    /// The program, in its folder.
    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deskie-cdc"));
        command.current_dir(self.folder());
        command
    }
}

impl Finished {
    /// The same, having asserted that it succeeded.
    #[track_caller]
    pub fn ok(self) -> Finished {
        assert!(
            self.status.success(),
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// The same, having asserted the exit status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Finished {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }
}

impl Connector {
    /// Starts a program on a leash and reads its standard error.
    pub fn spawn(folder: &Path, program: &[&str]) -> Connector {
        Connector::spawn_with(folder, program, &[])
    }

    fn spawn_with(folder: &Path, program: &[&str], variables: &[(&str, &str)]) -> Connector {
        let (leash_end, leash) = std::io::pipe().expect("a pipe");
        let (log_end, log_writer) = std::io::pipe().expect("a pipe");
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash"])
            .args(program)
            .current_dir(folder)
            .envs(variables.iter().copied())
            .kill_on_drop(true);
        command.stdin(leash_end).stdout(Stdio::null()).stderr(log_writer);
        let child = command.spawn().expect("the program starts");
        // Our copies of the child's ends: with them open, neither pipe would ever end.
        drop(command);

        let (sender, log) = watch::channel(Vec::new());
        std::thread::spawn(move || {
            for line in BufReader::new(log_end).lines().map_while(Result::ok) {
                // Shown by the test runner when the test fails.
                eprintln!("| {line}");
                sender.send_modify(|lines| lines.push(line));
            }
        });
        Connector {
            child,
            log,
            _leash: leash,
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the program runs")
    }

    /// What it has logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Waits for a line that contains `pattern`, whether it was logged before or comes now; gives the line.
    #[track_caller]
    pub fn wait_for_log(&self, pattern: &str) -> impl Future<Output = String> {
        self.wait_for_log_after(0, pattern)
    }

    /// The same, but not in the first `seen` lines: `let seen = connector.log().len()` before what causes the line.
    #[track_caller]
    pub fn wait_for_log_after(&self, seen: usize, pattern: &str) -> impl Future<Output = String> {
        let caller = Location::caller();
        let mut log = self.log.clone();
        let pattern = pattern.to_owned();
        async move {
            let find = |lines: &Vec<String>| {
                lines
                    .iter()
                    .skip(seen)
                    .find(|line| line.contains(&pattern))
                    .cloned()
            };
            let waiting = tokio::time::timeout(LIMIT, log.wait_for(|lines| find(lines).is_some()));
            let why = match waiting.await {
                Ok(Ok(lines)) => return find(&lines).expect("the line that was waited for"),
                Ok(Err(_)) => "the program ended".to_owned(),
                Err(_) => format!("not within {} s", LIMIT.as_secs()),
            };
            let lines = log.borrow();
            let tail = lines[lines.len().saturating_sub(30)..].join("\n| ");
            panic!("{caller}: waited for `{pattern}` in the log: {why}; it ends with:\n| {tail}");
        }
    }

    /// Waits for a line that contains `pattern`, or for the program's end; whether the line came.
    #[track_caller]
    pub fn logs_or_ends(&self, pattern: &str) -> impl Future<Output = bool> {
        let caller = Location::caller();
        let mut log = self.log.clone();
        let pattern = pattern.to_owned();
        async move {
            let found = |lines: &Vec<String>| lines.iter().any(|line| line.contains(&pattern));
            match tokio::time::timeout(LIMIT, log.wait_for(found)).await {
                Ok(found) => found.is_ok(),
                Err(_) => panic!(
                    "{caller}: neither `{pattern}` nor the end within {} s",
                    LIMIT.as_secs()
                ),
            }
        }
    }

    /// Waits for the end, and for the last of its log.
    #[track_caller]
    pub fn ends(&mut self) -> impl Future<Output = (ExitStatus, Vec<String>)> {
        let caller = Location::caller();
        let mut log = self.log.clone();
        async move {
            let Ok(status) = tokio::time::timeout(LIMIT, self.child.wait()).await else {
                let lines = log.borrow();
                let tail = lines[lines.len().saturating_sub(30)..].join("\n| ");
                panic!(
                    "{caller}: it did not end within {} s; its log ends with:\n| {tail}",
                    LIMIT.as_secs()
                );
            };
            let _ = tokio::time::timeout(LIMIT, log.wait_for(|_| false)).await;
            let lines = log.borrow().clone();
            (status.expect("the program's status"), lines)
        }
    }

    /// SIGKILL, and waits until it is dead.
    pub async fn kill9(mut self) {
        self.child.kill().await.expect("the program can be killed");
    }

    /// SIGSTOP or SIGCONT or another signal by its name, e.g. `STOP`.
    pub async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("sh")
            .args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &pid])
            .status()
            .await;
        assert!(status.expect("a shell").success(), "kill -{name} {pid}");
    }

    /// SIGTERM, and waits for the end.
    #[track_caller]
    pub fn sigterm_and_wait(self) -> impl Future<Output = ExitStatus> {
        let caller = Location::caller();
        async move {
            self.signal("TERM").await;
            self.wait_at(caller).await
        }
    }

    /// Waits for the end.
    #[track_caller]
    pub fn wait(self) -> impl Future<Output = ExitStatus> {
        self.wait_at(Location::caller())
    }

    async fn wait_at(mut self, caller: &Location<'_>) -> ExitStatus {
        let Ok(status) = tokio::time::timeout(STOP_LIMIT, self.child.wait()).await else {
            panic!(
                "{caller}: the program did not end within {} s",
                STOP_LIMIT.as_secs()
            );
        };
        status.expect("the program's status")
    }
}
