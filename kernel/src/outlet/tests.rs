#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

/// An outlet that has ended, and what it sent: type, content.
fn sent(inlets: Vec<Inlet>) -> Vec<(String, Value, Option<String>)> {
    let (to, from) = crossbeam_channel::unbounded();
    let (iopub, mut messages) = mpsc::channel(1000);
    for inlet in inlets {
        to.send(inlet).unwrap();
    }
    drop(to);
    Outlet::new(from, iopub).run();
    let mut all = Vec::new();
    while let Ok(message) = messages.try_recv() {
        let content = serde_json::to_value(&message.content).unwrap();
        let parent = message.parent_header.map(|header| header.msg_id);
        all.push((message.header.msg_type, content, parent));
    }
    all
}

fn cell(id: &str, count: u64) -> Inlet {
    let mut header = message("execute_request", json!({}), None).header;
    header.msg_id = id.to_owned();
    Inlet::Cell(Box::new(Cell {
        header,
        count,
        silent: false,
    }))
}

fn out(text: &str) -> Inlet {
    Inlet::Relay(Heard::Stdout(text.as_bytes().to_vec()))
}

fn shown(json: Value) -> Inlet {
    Inlet::Shown(serde_json::from_value(json).unwrap())
}

#[test]
fn text_is_gathered_and_streams_keep_their_order() {
    let errors = Inlet::Relay(Heard::Stderr(b"oh".to_vec()));
    let all = sent(vec![cell("a", 1), out("x"), out("y\n"), errors, out("z")]);
    let texts: Vec<(&str, &str)> = all
        .iter()
        .map(|(_, content, _)| {
            (
                content["name"].as_str().unwrap(),
                content["text"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        texts,
        [("stdout", "xy\n"), ("stderr", "oh"), ("stdout", "z")]
    );
    assert!(
        all.iter()
            .all(|(kind, _, parent)| kind == "stream" && parent.as_deref() == Some("a"))
    );
}

#[test]
fn a_display_stands_at_its_mark_wherever_that_is_cut() {
    let text = "before\x1eCOMPACTER 4\nafter";
    for cut in 0..=text.len() {
        let display =
            shown(json!({"op": "display", "cell": "a", "data": {"text/plain": "d"}, "order": 4}));
        let all = sent(vec![
            cell("a", 1),
            out(&text[..cut]),
            display,
            out(&text[cut..]),
        ]);
        let kinds: Vec<&str> = all.iter().map(|(kind, ..)| kind.as_str()).collect();
        let text: String = all
            .iter()
            .filter_map(|(_, content, _)| content["text"].as_str())
            .collect();
        assert_eq!(text, "beforeafter", "cut at {cut}");
        let at = kinds
            .iter()
            .position(|kind| *kind == "display_data")
            .unwrap();
        let before: String = all[..at]
            .iter()
            .filter_map(|(_, content, _)| content["text"].as_str())
            .collect();
        assert_eq!(before, "before", "cut at {cut}: {kinds:?}");
    }
}

#[test]
fn a_mark_waits_for_its_display_and_what_comes_meanwhile_comes_after() {
    let display = shown(json!({"op": "result", "data": {"text/plain": "d"}, "order": 1}));
    let all = sent(vec![
        cell("a", 7),
        out("\x1eCOMPACTER 1\n"),
        out("after"),
        display,
    ]);
    let kinds: Vec<&str> = all.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(kinds, ["execute_result", "stream"]);
    assert_eq!(all[0].1["execution_count"], 7);
}

#[test]
fn the_mark_of_no_display_is_not_shown() {
    let all = sent(vec![
        cell("a", 7),
        out("half\x1eCOMPACTER 0\n"),
        out("after"),
    ]);
    let text: String = all
        .iter()
        .filter_map(|(_, content, _)| content["text"].as_str())
        .collect();
    assert_eq!(text, "halfafter");
}

#[test]
fn an_update_is_of_the_cell_that_made_it() {
    let update =
        |cell: &str| shown(json!({"op": "update", "cell": cell, "display_id": "d", "data": {}}));
    let all = sent(vec![
        cell("a", 1),
        cell("b", 2),
        update("a"),
        update("none"),
    ]);
    let parents: Vec<Option<&str>> = all.iter().map(|(.., parent)| parent.as_deref()).collect();
    assert_eq!(parents, [Some("a"), Some("b")]);
    assert_eq!(all[0].0, "update_display_data");
    assert_eq!(all[0].1["transient"]["display_id"], "d");
}

#[test]
fn what_happened_is_told_and_forgotten_with_the_next_cell() {
    let (asker, answer) = crossbeam_channel::unbounded();
    let errors = Inlet::Relay(Heard::Stderr("ohé".as_bytes().to_vec()));
    let ask = || Inlet::Asked(asker.clone());
    let all = vec![
        cell("a", 1),
        errors,
        Inlet::Relay(Heard::Panic),
        ask(),
        cell("b", 2),
        ask(),
    ];
    sent(all);
    let first = answer.recv().unwrap();
    assert_eq!(
        (first.panicked, first.failed, first.errors.as_str()),
        (true, false, "ohé")
    );
    assert_eq!(answer.recv().unwrap(), Happened::default());
}

#[test]
fn a_silent_cell_shows_nothing() {
    let mut silent = cell("a", 1);
    if let Inlet::Cell(cell) = &mut silent {
        cell.silent = true;
    }
    assert_eq!(sent(vec![silent, out("x\n")]), []);
}

#[test]
fn a_panic_is_shown_as_an_error_and_not_as_text_too() {
    let said = "mine\n\nthread '<unnamed>' (7) panicked at src/lib.rs:9:5:\nboom\nnote: run with\n";
    let (asker, answer) = crossbeam_channel::unbounded();
    let all = sent(vec![
        cell("a", 1),
        Inlet::Relay(Heard::Stderr(said.as_bytes().to_vec())),
        Inlet::Relay(Heard::Panic),
        Inlet::Asked(asker),
    ]);
    let texts: Vec<&Value> = all.iter().map(|(_, content, _)| &content["text"]).collect();
    assert_eq!(texts, ["mine\n"]);
    assert!(answer.recv().unwrap().errors.contains("boom"));
}

#[test]
fn nothing_is_shown_before_the_first_cell() {
    let block = Heard::Block {
        mime: "text/plain".to_owned(),
        body: "42".to_owned(),
    };
    assert_eq!(sent(vec![Inlet::Relay(block), out("x\n")]), []);
}
