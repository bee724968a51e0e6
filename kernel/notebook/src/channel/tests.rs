#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::show::Bundle;

/// Everything that leaves, in its order: `>` before what goes through the socket.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<String>>);

impl Tape {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn channel(&self, with_kernel: bool) -> Channel {
        let lines = with_kernel.then(|| Box::new(self.clone()) as Box<dyn Lines>);
        Channel::new(lines, Box::new(self.clone()), || "cell-1".to_owned())
    }
}

impl Lines for Tape {
    fn send(&mut self, line: &str) -> io::Result<()> {
        self.0.lock().unwrap().extend([">", line]);
        Ok(())
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.0.lock().unwrap() += std::str::from_utf8(bytes).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn message(op: Op) -> Message {
    Message::new(op, "cell-1".to_owned(), Bundle::plain("one"))
}

#[test]
fn a_display_comes_before_its_marker_and_an_update_has_none() {
    let tape = Tape::default();
    let channel = tape.channel(true);
    channel.send(message(Op::Display).named("d1"));
    channel.send(message(Op::Update).named("d1"));
    channel.send(message(Op::Result));
    let text = tape.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "\u{1e}COMPACTER 1");
    assert_eq!(lines[4], "\u{1e}COMPACTER 2");
    let sent = |at: usize| -> Value {
        serde_json::from_str(lines[at].strip_prefix('>').unwrap()).unwrap()
    };
    let expected = serde_json::json!({
        "op": "display", "cell": "cell-1", "display_id": "d1",
        "data": {"text/plain": "one"}, "metadata": {}, "wait": false, "order": 1,
    });
    assert_eq!(sent(0), expected);
    assert_eq!(
        (&sent(2)["op"], &sent(2)["order"]),
        (&"update".into(), &Value::Null)
    );
    assert_eq!(
        (&sent(3)["op"], &sent(3)["order"]),
        (&"result".into(), &2.into())
    );
}

#[test]
fn without_a_kernel_a_display_is_a_block_and_an_update_is_dropped() {
    let tape = Tape::default();
    let channel = tape.channel(false);
    channel.send(message(Op::Display));
    channel.send(message(Op::Update));
    channel.send(message(Op::Clear));
    let block = "EVCXR_BEGIN_CONTENT text/plain\none\nEVCXR_END_CONTENT\n";
    assert_eq!(tape.text(), block);
}

#[test]
fn messages_of_many_threads_come_whole_and_in_order() {
    let tape = Tape::default();
    let channel = Arc::new(tape.channel(true));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..25).for_each(|_| channel.send(message(Op::Display))));
        }
    });
    let text = tape.text();
    for (at, pair) in text.lines().collect::<Vec<_>>().chunks(2).enumerate() {
        let sent: Value = serde_json::from_str(pair[0].strip_prefix('>').unwrap()).unwrap();
        assert_eq!(sent["order"], at + 1);
        assert_eq!(pair[1], format!("\u{1e}COMPACTER {}", at + 1));
    }
}

#[test]
fn a_broken_socket_is_connected_again_and_one_that_is_gone_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kernel");
    let mut socket = Socket::at(path.clone());
    let listener = UnixListener::bind(&path).unwrap();
    socket.send("first\n").unwrap();
    let read = |listener: &UnixListener| {
        let mut line = String::new();
        let (stream, _) = listener.accept().unwrap();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    };
    assert_eq!(read(&listener), "first\n");
    socket.send("second\n").unwrap();
    assert_eq!(read(&listener), "second\n");
    drop(listener);
    std::fs::remove_file(&path).unwrap();
    let channel = Channel::new(Some(Box::new(socket)), Box::new(io::sink()), String::new);
    channel.send(message(Op::Display));
    channel.send(message(Op::Display));
}
