//! What a process sends its kernel: alone in its process, which has one channel.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use compacter_notebook::channel::{Channel, Lines};
use compacter_notebook::prelude::*;
use serde_json::Value;

static CELL: AtomicU32 = AtomicU32::new(1);
static SENT: LazyLock<Mutex<Vec<Value>>> = LazyLock::new(Mutex::default);
static PRINTED: LazyLock<Mutex<String>> = LazyLock::new(Mutex::default);

struct Kernel;

impl Lines for Kernel {
    fn send(&mut self, line: &str) -> io::Result<()> {
        SENT.lock().unwrap().push(serde_json::from_str(line)?);
        Ok(())
    }
}

impl Write for Kernel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *PRINTED.lock().unwrap() += std::str::from_utf8(bytes).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_display_stays_in_its_cell_whichever_runs_by_now() {
    let cell = || format!("cell-{}", CELL.load(Ordering::SeqCst));
    let channel = Channel::new(Some(Box::new(Kernel)), Box::new(Kernel), cell);
    assert!(Channel::install(channel));

    let handle = display(&Table::numbers(&[vec![1.0]]));
    CELL.store(2, Ordering::SeqCst);
    handle.update(&Bundle::plain("later"));
    clear_output(true);
    let tensor = Tensor::new(&[f32::NAN, 1.0], &Device::Cpu).unwrap();
    (tensor).evcxr_display();
    ("<b>").evcxr_display();
    ().evcxr_display();

    let sent = SENT.lock().unwrap();
    let said = |at: usize| {
        let text = |key: &str| sent[at][key].as_str().unwrap().to_owned();
        (text("op"), text("cell"), sent[at]["order"].as_u64())
    };
    let expected = [
        ("display", "cell-1", Some(1)),
        ("update", "cell-1", None),
        ("clear", "cell-2", Some(2)),
        ("result", "cell-2", Some(3)),
        ("result", "cell-2", Some(4)),
    ];
    assert_eq!(sent.len(), expected.len());
    for (at, (op, cell, order)) in expected.into_iter().enumerate() {
        assert_eq!(said(at), (op.to_owned(), cell.to_owned(), order));
    }
    assert_eq!(sent[0]["display_id"], sent[1]["display_id"]);
    assert_eq!(sent[2]["wait"], true);
    assert!(
        sent[3]["data"]["text/html"]
            .as_str()
            .unwrap()
            .contains("not finite")
    );
    // Plain text is no HTML: nothing of it is escaped, and there is no HTML of it.
    assert_eq!(
        sent[4]["data"],
        serde_json::json!({"text/plain": "\"<b>\""})
    );
    let markers = (1..=4).map(|order| format!("\u{1e}COMPACTER {order}\n"));
    assert_eq!(*PRINTED.lock().unwrap(), markers.collect::<String>());
}
