//! Tests of clients that mean well and of others.
#![expect(clippy::unwrap_used, reason = "tests")]

use tempfile::TempDir;

use super::super::request::Request;
use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// A run whose every request is accepted.
struct Desk {
    folder: TempDir,
    run: PathBuf,
    address: PathBuf,
    listener: Option<Listener>,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("r".repeat(200));
        fs::create_dir(&run).unwrap();
        let address = address(folder.path(), &run).unwrap();
        let mut desk = Self {
            folder,
            run,
            address,
            listener: None,
        };
        desk.listen();
        desk
    }

    fn listen(&mut self) {
        let deliver = |envelope: Envelope| {
            let (sender, receiver) = crossbeam_channel::bounded(1);
            let answer = Answer {
                id: envelope.id,
                accepted: true,
                message: Some(envelope.command),
            };
            sender.send(answer).unwrap();
            Ok(receiver)
        };
        let listener = Listener::start(&self.address, &self.run, Arc::new(deliver));
        self.listener = Some(listener.unwrap());
    }

    fn ask(&self) -> io::Result<Answer> {
        let envelope = Envelope::new("test", "somebody", &Request::Step(3));
        let answer = ask(&self.address, &self.run, &envelope, LIMIT)?;
        assert_eq!(answer.id, envelope.id);
        Ok(answer)
    }

    /// What a client gets back that sends these bytes and no more.
    fn send(&self, bytes: &[u8]) -> String {
        let mut client = UnixStream::connect(&self.address).unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        // It may hang up first.
        let _sent = client.write_all(bytes);
        let mut answer = String::new();
        let _cut = client.read_to_string(&mut answer);
        answer
    }
}

#[test]
fn a_request_is_answered_whatever_the_length_of_the_run_s_path() {
    let desk = Desk::new();
    let answer = desk.ask().unwrap();
    assert!(answer.accepted);
    assert_eq!(answer.message.as_deref(), Some("step 3"));
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&desk.address), 0o600);
    assert_eq!(mode(desk.address.parent().unwrap()), 0o700);
}

#[test]
fn garbage_half_a_line_and_nothing_hurt_nobody() {
    let desk = Desk::new();
    let silent = UnixStream::connect(&desk.address).unwrap();
    assert!(desk.send(b"hello\n").contains("is no command"));
    assert!(desk.send(b"\xff\xfe\x00\n").contains("is no command"));
    let half = br#"{"v":1,"id":"7","from":"a","command":"pause""#;
    assert_eq!(desk.send(half), "");
    assert_eq!(desk.send(&vec![b'a'; 3 * LARGEST]), "");
    let other = br#"{"v":1,"run":"/elsewhere","id":"7","from":"a","command":"pause"}
"#;
    assert!(desk.send(other).contains(OTHER_RUN));
    assert!(desk.ask().unwrap().accepted);
    drop(silent);
}

#[test]
fn too_many_clients_are_sent_away_and_the_next_is_served() {
    let desk = Desk::new();
    let silent: Vec<UnixStream> = (0..CLIENTS * 2)
        .map(|_| UnixStream::connect(&desk.address).unwrap())
        .collect();
    drop(silent);
    let start = Instant::now();
    while desk.ask().is_err() {
        assert!(start.elapsed() < LIMIT);
        std::thread::sleep(TICK);
    }
}

#[test]
fn what_a_dead_process_left_is_replaced_and_a_living_one_is_not() {
    let mut desk = Desk::new();
    let deliver: Arc<Deliver> = Arc::new(|_| Err(Error::Cancelled));
    let second = Listener::start(&desk.address, &desk.run, deliver);
    assert!(second.is_err());
    desk.listener = None;
    assert!(!desk.address.exists());
    assert!(desk.ask().is_err());
    // A listener that is dropped without a word leaves its file, as a killed process does.
    drop(UnixListener::bind(&desk.address).unwrap());
    assert!(desk.address.exists());
    desk.listen();
    assert!(desk.ask().unwrap().accepted);
}

#[test]
fn a_folder_that_others_can_write_is_made_private_and_a_link_is_refused() {
    let mut desk = Desk::new();
    desk.listener = None;
    let folder = desk.address.parent().unwrap().to_path_buf();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    desk.listen();
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    desk.listener = None;
    let elsewhere = desk.folder.path().join("elsewhere");
    fs::rename(&folder, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
    let deliver: Arc<Deliver> = Arc::new(|_| Err(Error::Cancelled));
    assert!(Listener::start(&desk.address, &desk.run, deliver).is_err());
}

#[test]
fn an_address_that_would_be_too_long_is_none() {
    let run = tempfile::tempdir().unwrap();
    let runtime = PathBuf::from("/".to_owned() + &"x".repeat(90));
    assert_eq!(address(&runtime, run.path()), None);
    assert_eq!(address(Path::new("relative"), run.path()), None);
    assert_eq!(address(Path::new("/run"), &run.path().join("none")), None);
}
