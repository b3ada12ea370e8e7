//! A PostgreSQL server of a test's own: Debian's programs, a folder of its own, a socket in it, no port.
//!
//! Invariant: the server does not outlive its [`Postgres`], and no other server is spoken to.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Nobody waits longer than this for a server to answer.
const READY_WITHIN: Duration = Duration::from_secs(60);
const USER: &str = "hovedbok";

/// See the module.
pub struct Postgres {
    folder: tempfile::TempDir,
    server: Child,
}

impl Postgres {
    /// Makes a cluster and starts its server.
    ///
    /// # Panics
    /// If PostgreSQL is not installed (`scripts/bootstrap.sh` does that), or does not start.
    pub fn start() -> Self {
        let programs = programs();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        // PostgreSQL refuses to run as root.
        let user = is_root().then(server_user);
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("root may give a folder away");
        }
        let made = program(&programs, "initdb", user)
            .args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "-U", USER, "-D"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let log = fs::File::create(folder.path().join("server.log")).expect("a file in our folder");
        // No computer fails in these tests, only programs: what a transaction promised need not be synced.
        let server = program(&programs, "postgres", user)
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
            .arg(folder.path())
            .arg("-D")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres runs");
        let mut this = Self { folder, server };
        let deadline = Instant::now() + READY_WITHIN;
        while this.try_connect().is_err() {
            let ended = this.server.try_wait().expect("our own child");
            let late = Instant::now() > deadline;
            assert!(ended.is_none() && !late, "PostgreSQL does not start: {}", this.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        this
    }

    /// How programs name the database.
    pub fn url(&self) -> String {
        format!("host={} user={USER} dbname=postgres", self.folder.path().display())
    }

    fn try_connect(&self) -> Result<postgres::Client, postgres::Error> {
        postgres::Client::connect(&self.url(), postgres::NoTls)
    }

    /// A line to the database.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn connect(&self) -> postgres::Client {
        self.try_connect().unwrap_or_else(|error| panic!("{error}; its log says:\n{}", self.log()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Fast shutdown: its own children end with it.
        let _ = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}

/// The newest of the versions that Debian keeps side by side.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = versions.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists());
    let newest = versions.max_by_key(|path| version(path)).map(|path| path.join("bin"));
    newest.expect("PostgreSQL lies in /usr/lib/postgresql; run scripts/bootstrap.sh")
}

fn program(folder: &Path, name: &str, user: Option<(u32, u32)>) -> Command {
    let Some((uid, gid)) = user else { return Command::new(folder.join(name)) };
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups", "--"])
        .arg(folder.join(name))
        .current_dir("/");
    command
}

fn is_root() -> bool {
    id(&["-u"]) == Some(0)
}

fn server_user() -> (u32, u32) {
    let found = id(&["-u", "postgres"]).zip(id(&["-g", "postgres"]));
    found.expect("Debian's package makes the user postgres")
}

fn id(words: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(words).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
