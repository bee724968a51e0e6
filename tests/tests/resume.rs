//! A run that was killed and resumed computes what an uninterrupted one does.

use compacter_core::event::Kind;
use compacter_core::train::Outcome;
use compacter_tests::program;
use compacter_tests::reference::{Edit, uninterrupted};
use compacter_tests::runs::{Lab, NAME, assert_same, computed, draws, trained};

/// Settings under which everything that a checkpoint must hold matters: dropout, gradients
/// of two passes, a schedule, evaluations and checkpoints at steps of their own.
fn settings(threads: usize) -> String {
    format!(
        "seed = 7
threads = {threads}
epochs = 40
batch_size = 8
accumulation = 2
dropout = 0.1
learning_rate = 1e-2
schedule = 'cosine'
weight_decay = 0.01
checkpoint_every = 7
[watch]
factors_every = 4
[eval]
every = 9"
    )
}

/// Kills a process of the lab's run as soon as it has done the step.
fn kill_at(lab: &Lab, step: u64, resume: &[&str]) {
    let mut following = lab.follow();
    let mut running = program::start(lab.train(resume));
    following.until_step(&mut running, step);
    let finished = running.kill();
    assert_eq!(finished.status.code(), None, "killed: {finished:?}");
}

/// Edits the file of a running process, and kills it a few steps after it has followed.
fn edit_and_kill(lab: &Lab, step: u64, after: u64) -> u64 {
    let mut following = lab.follow();
    let mut running = program::start(lab.train(&["--resume"]));
    following.until_step(&mut running, step);
    lab.edit(&[
        ("learning_rate = 1e-2", "learning_rate = 4e-3"),
        ("batch_size = 8", "batch_size = 5"),
        ("every = 9", "every = 6"),
        ("factors_every = 4", "factors_every = 3"),
    ]);
    let applied = following.until(&mut running, |event| {
        matches!(event.kind, Kind::ConfigApplied(_))
    });
    following.until_step(&mut running, applied.step + after);
    let _killed = running.kill();
    applied.step
}

fn killed_ten_times(threads: usize) {
    let lab = Lab::new(&settings(threads));
    let seed = 20 + threads as u64;
    for (at, step) in draws(seed, 5, 100).into_iter().enumerate() {
        let resume: &[&str] = if at == 0 { &[] } else { &["--resume"] };
        kill_at(&lab, 1 + step, resume);
    }
    let edited_at = edit_and_kill(&lab, 110, draws(seed, 1, 10)[0]);
    for more in draws(seed + 1, 4, 100) {
        kill_at(&lab, edited_at + 15 + more, &["--resume"]);
    }
    let last = program::run(lab.train(&["--resume"])).expect_code(0);
    assert!(last.stdout.contains("resumed from step"), "{}", last.stdout);

    let reference = Lab::new(&settings(threads));
    let edit = Edit {
        step: edited_at,
        config: lab.config(),
    };
    let outcome = uninterrupted(&reference, edit, None);
    assert!(matches!(outcome, Outcome::Finished(_)), "{outcome:?}");
    let (found, expected) = (lab.run(NAME), reference.run(NAME));
    assert_same(&computed(&found), &computed(&expected));
    assert_eq!(trained(&found), trained(&expected));
    let snapshots = computed(&found)
        .iter()
        .filter(|event| event.contains("\"kind\":\"factors\""))
        .count();
    assert!(snapshots > 50, "{snapshots} snapshots");
    let resumes = std::fs::read_to_string(found.events_path()).unwrap_or_default();
    assert_eq!(resumes.matches("\"kind\":\"resumed\"").count(), 10);
}

#[test]
fn a_run_killed_ten_times_and_edited_once_ends_the_same_on_one_thread() {
    killed_ten_times(1);
}

#[test]
fn a_run_killed_ten_times_and_edited_once_ends_the_same_on_two_threads() {
    killed_ten_times(2);
}

#[test]
fn a_run_killed_without_a_checkpoint_starts_over_and_ends_the_same() {
    let settings = settings(1).replace("epochs = 40", "epochs = 3");
    let settings = settings.replace("checkpoint_every = 7", "checkpoint_every = 1000");
    let settings = settings.replace("every = 9", "every = 1000");
    let (lab, reference) = (Lab::new(&settings), Lab::new(&settings));
    kill_at(&lab, 3, &[]);
    kill_at(&lab, 5, &["--resume"]);
    let _ended = program::run(lab.train(&["--resume"])).expect_code(0);
    let _ended = program::run(reference.train(&[])).expect_code(0);
    let (found, expected) = (lab.run(NAME), reference.run(NAME));
    assert_same(&computed(&found), &computed(&expected));
    assert_eq!(trained(&found), trained(&expected));
}

#[test]
fn an_edit_between_two_processes_applies_once_and_is_recorded() {
    let settings = settings(1).replace("epochs = 40", "epochs = 6");
    let lab = Lab::new(&settings);
    kill_at(&lab, 20, &[]);
    lab.edit(&[("learning_rate = 1e-2", "learning_rate = 5e-3")]);
    kill_at(&lab, 25, &["--resume"]);
    let _ended = program::run(lab.train(&["--resume"])).expect_code(0);
    let history = lab.run(NAME).history().unwrap_or_default();
    let versions = history
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::ConfigApplied(applied) => Some((applied.version, applied.changes.len())),
            _ => None,
        });
    assert_eq!(versions.collect::<Vec<_>>(), [(2, 1)]);
}
