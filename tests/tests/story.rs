//! A whole day of a run: started on one terminal, left, watched and steered from others,
//! killed, taken up again, stopped. Nothing is lost, and nothing computed differs.
#![cfg(unix)]

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use compacter_core::config::RunConfig;
use compacter_core::event::{Event, History, Kind};
use compacter_core::run::lock::Holder;
use compacter_core::train::Outcome;
use compacter_tests::program::LIMIT;
use compacter_tests::reference::{Edit, uninterrupted};
use compacter_tests::runs::{Lab, NAME, assert_same, computed, trained};
use compacter_tests::terminal::Terminal;

/// Everything that a checkpoint must hold matters, and it takes longer than the story.
const SETTINGS: &str = "seed = 7
threads = 1
max_steps = 200000
accumulation = 2
dropout = 0.1
learning_rate = 1e-3
schedule = 'cosine'
weight_decay = 0.01
checkpoint_every = 400
[watch]
factors_every = 100
[eval]
every = 300";

/// A run, which is ended with the test.
struct Story {
    lab: Lab,
}

impl Story {
    fn train(&self, more: &[&str]) -> Terminal {
        Terminal::start(self.lab.train(more), &[], self.lab.path())
    }

    fn watch(&self) -> Terminal {
        let terminal = Terminal::start(["watch"], &[], self.lab.path());
        terminal.until("RUN");
        terminal
    }

    fn history(&self) -> History {
        let history = self.lab.run(NAME).history();
        history.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The first recorded event of a kind, waited for.
    #[track_caller]
    fn until(&self, what: &str, such: impl Fn(&Event) -> bool) -> Event {
        let start = Instant::now();
        loop {
            if let Some(event) = self.history().events().iter().find(|event| such(event)) {
                return event.clone();
            }
            assert!(start.elapsed() < LIMIT, "no {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    fn until_step(&self, step: u64) {
        self.until("such step", |event| event.step >= step);
    }

    fn last_step(&self) -> u64 {
        self.history().events().last().map_or(0, |event| event.step)
    }

    fn kill_trainer(&self) {
        let text = fs::read(self.lab.run_path(NAME).join("lock")).unwrap_or_default();
        let Ok(holder) = serde_json::from_slice::<Holder>(&text) else {
            return;
        };
        // At the end of the test it may be gone already.
        let _ended = Command::new("kill")
            .args(["-KILL", &holder.pid.to_string()])
            .stderr(std::process::Stdio::null())
            .status();
    }

    /// The rows of the loss curve that a dashboard exports: step and loss.
    fn exported_losses(&self, dashboard: &mut Terminal) -> Vec<String> {
        dashboard.press("2");
        dashboard.until("train/loss");
        dashboard.press(":export loss.csv\r");
        dashboard.until("wrote loss.csv");
        let text = fs::read_to_string(self.lab.path().join("loss.csv")).expect("it was written");
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        // The file's heading: curve, step, x, min, max, mean, last.
        let line = |row: csv::StringRecord| format!("{}: {}", &row[1], &row[6]);
        rows.records()
            .map(|row| line(row.expect("a row")))
            .collect()
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        self.kill_trainer();
    }
}

/// The losses of a history's steps, and their steps.
fn losses(history: &History) -> Vec<String> {
    let losses = history
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::Step(step) => Some(format!("{}: {}", event.step, step.loss)),
            _ => None,
        });
    losses.collect()
}

#[test]
fn a_run_is_left_steered_from_elsewhere_killed_resumed_and_stopped() {
    let story = Story {
        lab: Lab::new(SETTINGS),
    };

    // Started, and left; then the terminal goes.
    let mut first = story.train(&[]);
    first.until("RUN");
    first.press("q");
    first.until("training goes on");
    first.press("\r");
    assert_eq!(first.wait().exit_code(), 0);
    drop(first);

    // Two who watch from elsewhere; one pauses, the other changes the learning rate.
    let (mut one, mut other) = (story.watch(), story.watch());
    story.until_step(450);
    one.press(":pause\r");
    let paused = story.until("pause", |event| matches!(event.kind, Kind::Paused { .. }));
    other.until("PAUSED");
    one.until("PAUSED");
    other.press(":lr 4e-3\r");
    let edited = story.until("edit", |event| matches!(event.kind, Kind::ConfigApplied(_)));
    assert_eq!(edited.step, paused.step);
    one.until("cfg v2");
    one.press(":resume\r");
    story.until("going on", |event| matches!(event.kind, Kind::Continued));
    other.until("RUN");

    // Killed between two checkpoints, with two dashboards on it; taken up again.
    story.until_step(edited.step + 150);
    story.kill_trainer();
    for mut dashboard in [one, other] {
        dashboard.until_so("word of the end", |dashboard| {
            !dashboard.text().contains("● RUN")
        });
        dashboard.press("q");
        dashboard.wait();
        dashboard.assert_whole();
    }
    let killed_at = story.last_step();
    let mut last = story.train(&["--resume"]);
    last.until("RUN");
    story.until("resumption", |event| {
        matches!(event.kind, Kind::Resumed { .. })
    });
    story.until_step(killed_at + 100);

    // Stopped and saved.
    last.press("\x03");
    last.until("stop and save");
    last.press("\x03");
    assert_eq!(last.wait().exit_code(), 75);
    last.assert_whole();

    // The log shows each, also to somebody who looks only now.
    let mut late = Terminal::start(["watch"], &[], story.lab.path());
    late.until("Overview");
    late.press("7");
    for words in [
        "pause",
        "paused at step",
        "4e-3",
        "0.004",
        "resume",
        "continued at step",
        "resumed from step",
        "interrupted at step",
    ] {
        late.press("g");
        late.press(&format!("/{words}\r"));
        late.until(words);
    }

    // The curve is the record's, and the record is that of a run which nobody disturbed.
    let found = story.lab.run(NAME);
    let history = story.history();
    assert_same(&story.exported_losses(&mut late), &losses(&history));
    let stopped = story.last_step();
    let reference = Lab::new(SETTINGS);
    let mut config: RunConfig = reference.config();
    config.train.learning_rate = Some(4e-3);
    let edit = Edit {
        step: edited.step,
        config,
    };
    let outcome = uninterrupted(&reference, edit, Some(stopped));
    assert!(matches!(outcome, Outcome::Interrupted), "{outcome:?}");
    let reference = reference.run(NAME);
    assert_same(&computed(&found), &computed(&reference));
    assert_eq!(trained(&found), trained(&reference));
}
