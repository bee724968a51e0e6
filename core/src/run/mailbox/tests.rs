//! Tests of what is obeyed, what is refused, and what is left of either.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::request::Request;
use super::*;

fn envelope(request: &str) -> Envelope {
    let request: Request = request.parse().unwrap();
    Envelope::new("test", "somebody", &request)
}

fn run() -> (tempfile::TempDir, Mailbox) {
    let run = tempfile::tempdir().unwrap();
    let mailbox = Mailbox::of(run.path());
    mailbox.make().unwrap();
    (run, mailbox)
}

/// The reason for which the one thing in the mailbox is refused; it is then gone.
#[track_caller]
fn refused(mailbox: &mut Mailbox) -> String {
    let letters = mailbox.look().unwrap();
    let [Letter::Refused { name, reason }] = letters.as_slice() else {
        panic!("{letters:?}");
    };
    mailbox.remove(name);
    assert_eq!(mailbox.look().unwrap(), []);
    reason.clone()
}

#[test]
fn commands_are_read_in_the_order_in_which_they_were_sent() {
    let (_run, mut mailbox) = run();
    let sent = ["pause", "step 3", "lr 3e-4", "resume"].map(envelope);
    for envelope in &sent {
        mailbox.send(envelope).unwrap();
    }
    let letters = mailbox.look().unwrap();
    assert_eq!(letters.len(), sent.len());
    for (letter, sent) in letters.into_iter().zip(sent) {
        let Letter::Command { name, envelope } = letter else {
            panic!("{letter:?}");
        };
        assert_eq!(envelope, sent);
        mailbox.remove(&name);
    }
    assert_eq!(mailbox.look().unwrap(), []);
}

#[test]
fn a_command_can_be_taken_back_until_it_is_heard() {
    let (_run, mailbox) = run();
    let pause = envelope("pause");
    mailbox.send(&pause).unwrap();
    assert!(mailbox.take_back(&pause.id));
    assert!(!mailbox.take_back(&pause.id));
    assert_eq!(mailbox.look().unwrap(), []);
}

#[test]
fn a_mailbox_that_is_not_there_is_empty_and_a_half_written_file_is_not_seen() {
    let (run, mailbox) = run();
    assert_eq!(Mailbox::of(&run.path().join("no")).look().unwrap(), []);
    fs::write(mailbox.folder().join(".tmp-1-x.json"), "{").unwrap();
    assert_eq!(mailbox.look().unwrap(), []);
}

#[test]
fn what_is_no_command_is_refused_and_does_not_come_again() {
    let (_run, mut mailbox) = run();
    let at = |name: &str| mailbox.folder().join(name);
    let (text, long, other) = (at("notes.txt"), at("a.json"), at("b.json"));
    let folder = at("c.json");
    fs::write(text, "hello").unwrap();
    assert!(refused(&mut mailbox).contains("is no command"));
    fs::write(long, vec![b' '; LARGEST + 1]).unwrap();
    assert!(refused(&mut mailbox).contains("longer than"));
    let misnamed = serde_json::to_vec(&envelope("pause")).unwrap();
    fs::write(other, misnamed).unwrap();
    assert!(refused(&mut mailbox).contains("its number is"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("x"), "x").unwrap();
    assert!(refused(&mut mailbox).contains("no plain file"));
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_refused() {
    let (run, mut mailbox) = run();
    let pause = envelope("pause");
    let elsewhere = run.path().join("elsewhere.json");
    fs::write(&elsewhere, serde_json::to_vec(&pause).unwrap()).unwrap();
    let place = mailbox.folder().join(format!("{}.json", pause.id));
    std::os::unix::fs::symlink(&elsewhere, &place).unwrap();
    assert!(refused(&mut mailbox).contains("cannot be opened as a file"));
    fs::hard_link(&elsewhere, &place).unwrap();
    assert!(refused(&mut mailbox).contains("another name"));
    let made = std::process::Command::new("mkfifo").arg(&place).status();
    assert!(made.unwrap().success());
    assert!(refused(&mut mailbox).contains("no plain file"));
}

#[cfg(unix)]
#[test]
fn a_file_of_somebody_else_is_refused() {
    let (_run, mut mailbox) = run();
    let pause = envelope("pause");
    mailbox.send(&pause).unwrap();
    let place = mailbox.folder().join(format!("{}.json", pause.id));
    if std::os::unix::fs::chown(&place, Some(12_345), None).is_err() {
        // Only root can give files away; the tests run as root where that is checked.
        return;
    }
    assert!(refused(&mut mailbox).contains("belongs to user 12345"));
}

#[test]
fn commands_to_an_earlier_process_are_told_and_not_obeyed() {
    let (_run, mut mailbox) = run();
    mailbox.send(&envelope("stop")).unwrap();
    fs::write(mailbox.folder().join(".tmp-1-x.json"), "{").unwrap();
    fs::write(mailbox.folder().join("x"), "x").unwrap();
    let told = mailbox.clear().unwrap();
    let [stop, other] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert!(stop.contains("`stop` of test somebody@"), "{stop}");
    assert!(other.contains("mailbox/x: not obeyed"), "{other}");
    assert_eq!(fs::read_dir(mailbox.folder()).unwrap().count(), 0);
}
