//! How a run begins: names, `--resume`, `--resume auto`, `--fresh`, forks, one writer only.

use std::fs;

use compacter_core::event::Kind;
use compacter_tests::program::{self, Finished};
use compacter_tests::runs::{Lab, NAME, assert_same, checkpoint_steps, computed, trained};

const SHORT: &str = "threads = 1\nepochs = 3\nlearning_rate = 1e-2\ncheckpoint_every = 10";
/// Long enough to be met at work.
const LONG: &str = "threads = 1\nepochs = 400\nlearning_rate = 1e-3\ncheckpoint_every = 10";

#[track_caller]
fn assert_says(finished: &Finished, fragments: &[&str]) {
    for fragment in fragments {
        let said = finished.stderr.contains(fragment);
        assert!(said, "no `{fragment}` in: {}", finished.stderr);
    }
}

#[test]
fn resume_auto_starts_goes_on_and_is_content_with_a_finished_run() {
    let auto: &[&str] = &["--resume", "auto"];
    let (lab, reference) = (Lab::new(SHORT), Lab::new(SHORT));
    let mut following = lab.follow();
    let mut running = program::start(lab.train(auto));
    following.until_step(&mut running, 12);
    let _killed = running.kill();
    let ended = program::run(lab.train(auto)).expect_code(0);
    assert!(
        ended.stdout.contains("resumed from step"),
        "{}",
        ended.stdout
    );
    let record = fs::read(lab.run(NAME).events_path()).ok();
    let again = program::run(lab.train(auto)).expect_code(0);
    assert!(
        again.stdout.contains("already complete"),
        "{}",
        again.stdout
    );
    assert_eq!(fs::read(lab.run(NAME).events_path()).ok(), record);

    let _ended = program::run(reference.train(&[])).expect_code(0);
    assert_same(&computed(&lab.run(NAME)), &computed(&reference.run(NAME)));
}

#[test]
fn a_name_that_is_taken_is_refused_with_what_helps() {
    let lab = Lab::new(SHORT);
    let _ended = program::run(lab.train(&[])).expect_code(0);
    let refused = program::run(lab.train(&[])).expect_code(2);
    assert_says(&refused, &["--resume", "--fresh", "--name"]);
    let other = program::run(lab.train(&["--name", "other"])).expect_code(0);
    assert!(other.stdout.contains("run other"), "{}", other.stdout);
    assert_same(&computed(&lab.run("other")), &computed(&lab.run(NAME)));
}

#[test]
fn a_run_that_is_not_there_cannot_be_resumed() {
    let lab = Lab::new(SHORT);
    let refused = program::run(lab.train(&["--resume"])).expect_code(2);
    assert_says(&refused, &["no such run", "--resume auto"]);
    assert!(!lab.run_path(NAME).exists());
}

#[test]
fn a_run_that_cannot_start_leaves_no_folder() {
    for how in [&[][..], &["--resume", "auto"], &["--fresh"]] {
        let lab = Lab::new(SHORT);
        lab.edit(&[("labels = [\"negative\"", "labels = [\"other\"")]);
        let _refused = program::run(lab.train(how)).expect_code(2);
        assert!(!lab.run_path(NAME).exists(), "{how:?}");
    }
}

#[test]
fn a_fresh_start_keeps_the_old_run_beside() {
    let lab = Lab::new(SHORT);
    let _ended = program::run(lab.train(&[])).expect_code(0);
    let record = fs::read(lab.run(NAME).events_path()).ok();
    let fresh = program::run(lab.train(&["--fresh"])).expect_code(0);
    assert!(
        !fresh.stdout.contains("configuration refused"),
        "{}",
        fresh.stdout
    );
    let old = lab.run(&format!("{NAME}.old-1"));
    assert_eq!(fs::read(old.events_path()).ok(), record);
    assert_same(&computed(&lab.run(NAME)), &computed(&old));
}

#[test]
fn a_second_writer_is_refused_while_one_is_at_work() {
    let lab = Lab::new(LONG);
    let mut following = lab.follow();
    let mut running = program::start(lab.train(&[]));
    following.until_step(&mut running, 3);
    let holder = format!("in use by process {}", running.id());
    for how in [&["--resume"][..], &["--resume", "auto"], &["--fresh"]] {
        let refused = program::run(lab.train(how)).expect_code(2);
        assert_says(&refused, &[&holder]);
    }
    let refused = program::run(lab.train(&[])).expect_code(2);
    assert_says(&refused, &["--resume"]);
    let step = following.look().last().map_or(0, |event| event.step);
    following.until_step(&mut running, step + 2);
}

/// A run that was told to end after some steps, and the step of its checkpoint.
fn interrupted() -> (Lab, u64) {
    let settings = "threads = 1\nepochs = 12\nlearning_rate = 1e-2\ndropout = 0.1";
    let lab = Lab::new(settings);
    let mut following = lab.follow();
    let mut running = program::start(lab.train(&[]));
    following.until_step(&mut running, 33);
    running.signal("TERM");
    let _interrupted = running.wait().expect_code(75);
    let last = checkpoint_steps(&lab.run(NAME)).last().copied();
    (lab, last.unwrap_or(0))
}

#[test]
fn an_unchanged_fork_computes_what_the_run_itself_does() {
    let (lab, at) = interrupted();
    let run = lab.run_path(NAME);
    let fork = |more: &[&str]| {
        let run = run.to_string_lossy().into_owned();
        let at = at.to_string();
        program::run([&["fork", &run, "--at", &at], more].concat())
    };
    let _ended = fork(&[]).expect_code(0);
    let changed = ["--name", "changed", "--set", "train.learning_rate=1e-3"];
    let _ended = fork(&changed).expect_code(0);
    let _ended = program::run(lab.train(&["--resume"])).expect_code(0);

    let all = computed(&lab.run(NAME));
    let same = lab.run(&format!("{NAME}-fork"));
    let after: Vec<String> = computed(&same);
    assert!(after.len() > 20, "{}", after.len());
    assert_same(&after, &all[all.len() - after.len()..]);
    assert_eq!(trained(&same), trained(&lab.run(NAME)));

    let other = lab.run("changed");
    assert_ne!(trained(&other), trained(&same));
    let history = other.history().unwrap_or_default();
    let edit = history.events().iter().find_map(|event| match &event.kind {
        Kind::ConfigApplied(applied) => Some((event.step, applied.changes[0].field.clone())),
        _ => None,
    });
    assert_eq!(edit, Some((at, "train.learning_rate".to_owned())));
}

#[test]
fn a_fork_of_an_unknown_step_lists_those_there_are() {
    let (lab, at) = interrupted();
    let run = lab.run_path(NAME).to_string_lossy().into_owned();
    let refused = program::run(["fork", &run, "--at", "1"]).expect_code(2);
    let steps = checkpoint_steps(&lab.run(NAME));
    assert!(steps.contains(&at));
    let listed = steps.iter().map(u64::to_string).collect::<Vec<_>>();
    assert_says(&refused, &["no checkpoint of step 1", &listed.join(", ")]);
    let runs = fs::read_dir(lab.path().join("runs")).map(Iterator::count);
    assert_eq!(runs.ok(), Some(1));
}

#[test]
fn resume_takes_the_file_before_it_or_after_it() {
    let lab = Lab::new("max_steps = 4\ncheckpoint_every = 2");
    let _ended = program::run(lab.train(&[])).expect_code(0);
    let file = lab.config_path().into_os_string();
    let after = program::run(["train".into(), "--resume".into(), file.clone()]).expect_code(0);
    assert!(
        after.stdout.contains("already complete"),
        "{}",
        after.stdout
    );
    let words = ["train".into(), file, "--resume".into(), "soon".into()];
    assert_says(&program::run(words).expect_code(2), &["`auto`", "`soon`"]);
}

#[test]
fn a_complete_run_refuses_what_it_cannot_do_any_more() {
    let lab = Lab::new("epochs = 1\nbatch_size = 16");
    let _ended = program::run(lab.train(&[])).expect_code(0);
    lab.edit(&[("epochs = 1", "epochs = 2")]);
    let refused = program::run(lab.train(&["--resume"])).expect_code(2);
    assert_says(
        &refused,
        &[
            "complete",
            "train.epochs was 1.0 and is 2.0",
            "compacter fork",
        ],
    );
    lab.edit(&[("epochs = 2", "epochs = 1")]);
    let _ended = program::run(lab.train(&["--resume"])).expect_code(0);
}

#[test]
fn a_run_does_not_go_on_with_other_examples() {
    let lab = Lab::new("epochs = 2\nbatch_size = 4\ncheckpoint_every = 1");
    let rows = std::fs::read_to_string(program::workspace().join("tests/fixtures/tiny/train.tsv"));
    let (rows, path) = (rows.expect("the fixture"), lab.path().join("own.tsv"));
    let write = |rows: &str| std::fs::write(&path, rows).expect("a file in a folder of one's own");
    write(&rows);
    let own = format!(
        "task.train={}",
        serde_json::json!(path.display().to_string())
    );
    let own = ["--set", own.as_str()];
    let stopped = [&own[..], &["--set", "train.max_steps=3"]].concat();
    let _ended = program::run(lab.train(&stopped)).expect_code(0);
    let fork = |more: &[&str]| {
        let run = lab.run_path(NAME).into_os_string();
        let words = ["fork".into(), run, "--plain".into(), "--set".into()];
        let words = words.into_iter().chain(["train.max_steps=5".into()]);
        program::run(words.chain(more.iter().map(std::ffi::OsString::from)))
    };
    let half: String = rows.split_inclusive('\n').take(9).collect();
    write(&half);
    let refused = fork(&[]).expect_code(2);
    assert_says(
        &refused,
        &["task: the training examples are not those", "8 examples"],
    );
    assert!(!lab.run_path("demo-fork").exists(), "nothing is left of it");
    write(&rows);
    let _ended = fork(&[]).expect_code(0);
}
