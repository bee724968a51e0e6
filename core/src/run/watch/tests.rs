//! The ways in which editors save.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write;
use std::thread::sleep;
use std::time::Instant;

use tempfile::TempDir;

use super::super::seal::sealed;
use super::*;

/// Long enough for a report on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough that a report that must not come would have come.
const SILENCE: Duration = Duration::from_millis(900);

/// Never looks unless woken, so that a test shows that events arrive.
const EVENTS_ONLY: Pace = Pace {
    idle: Duration::from_hours(1),
    ..PACE
};

/// Waits long for a content to settle, so that a stalled machine fails no test.
const SLOW: Pace = Pace {
    stable: Duration::from_secs(2),
    ..EVENTS_ONLY
};

fn text(rate: &str) -> String {
    format!("name = 'a'\nmodel.path = '/m'\ntask.name = 't'\n[train]\nlearning_rate = {rate}\n")
}

/// A folder with a configuration that is watched.
struct Desk {
    folder: TempDir,
    watch: ConfigWatch,
}

impl Desk {
    fn new(overrides: &[&str]) -> Self {
        Self::at(EVENTS_ONLY, overrides)
    }

    fn at(pace: Pace, overrides: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        fs::write(&path, text("1e-3")).unwrap();
        let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
        let watch = ConfigWatch::start_at(pace, &[path], &overrides).unwrap();
        Self { folder, watch }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("run.toml")
    }

    fn save(&self, text: impl AsRef<[u8]>) {
        fs::write(self.path(), text).unwrap();
    }

    fn save_by_rename(&self, text: &str) {
        let other = self.folder.path().join(".run.toml.swp");
        fs::write(&other, text).unwrap();
        fs::rename(&other, self.path()).unwrap();
    }

    fn next(&self) -> Reload {
        self.watch.receiver().recv_timeout(PATIENCE).unwrap()
    }

    fn rate(&self) -> f64 {
        match self.next() {
            Reload::Changed(saved) => saved[0].config.learning_rate(),
            other => panic!("{other:?}"),
        }
    }

    fn is_silent(&self) -> bool {
        self.watch.receiver().recv_timeout(SILENCE).is_err()
    }
}

#[track_caller]
fn same(found: f64, expected: f64) {
    assert_eq!(
        found.to_bits(),
        expected.to_bits(),
        "{found} for {expected}"
    );
}

#[test]
fn truncating_and_writing_is_reported_each_time() {
    let desk = Desk::new(&[]);
    for rate in ["2e-3", "3e-3"] {
        desk.save(text(rate));
        same(desk.rate(), rate.parse().unwrap());
    }
    assert!(desk.is_silent(), "the watch's own reading is no event");
}

#[test]
fn renaming_a_new_file_over_the_old_is_reported_each_time() {
    let desk = Desk::new(&[]);
    for rate in ["2e-3", "3e-3"] {
        desk.save_by_rename(&text(rate));
        same(desk.rate(), rate.parse().unwrap());
    }
}

#[test]
fn moving_the_old_file_away_first_is_one_report() {
    let desk = Desk::at(SLOW, &[]);
    for rate in ["2e-3", "3e-3"] {
        fs::rename(desk.path(), desk.folder.path().join("run.toml~")).unwrap();
        desk.save(text(rate));
        same(desk.rate(), rate.parse().unwrap());
    }
}

#[test]
fn the_same_content_saved_again_is_no_news() {
    let desk = Desk::new(&[]);
    desk.save(text("1e-3"));
    desk.save_by_rename(&text("1e-3"));
    assert!(desk.is_silent());
}

#[test]
fn the_runs_own_writing_is_no_edit_and_an_edit_of_it_is() {
    let desk = Desk::new(&["train.weight_decay=0.5"]);
    desk.save_by_rename(&sealed(&text("2e-3")));
    assert!(desk.is_silent());
    let edited = sealed(&text("2e-3")).replace("2e-3", "5e-3");
    desk.save(edited);
    let Reload::Changed(saved) = desk.next() else {
        panic!("an edit")
    };
    let config = &saved[0].config;
    assert_eq!(config.train.learning_rate, Some(5e-3));
    // Told against what the run wrote: nobody has edited this key.
    same(config.train.weight_decay, 0.5);
}

#[test]
fn a_deleted_file_is_gone_and_comes_back() {
    let desk = Desk::new(&[]);
    fs::remove_file(desk.path()).unwrap();
    assert_eq!(desk.next(), Reload::Gone(desk.path()));
    desk.save(text("1e-3"));
    same(desk.rate(), 1e-3);
    assert!(desk.is_silent());
}

#[test]
fn a_file_written_in_two_halves_is_one_report() {
    let desk = Desk::at(SLOW, &[]);
    let whole = text("5e-3");
    // Half a number is a number: only patience tells that there is more to come.
    let half = whole.find("5e-3").unwrap() + 1;
    let mut file = fs::File::create(desk.path()).unwrap();
    file.write_all(&whole.as_bytes()[..half]).unwrap();
    sleep(Duration::from_millis(100));
    file.write_all(&whole.as_bytes()[half..]).unwrap();
    drop(file);
    same(desk.rate(), 5e-3);
}

#[test]
fn a_broken_save_is_refused_with_its_place_and_the_next_good_one_is_reported() {
    let desk = Desk::new(&[]);
    desk.save(text("-1"));
    let Reload::Refused(message) = desk.next() else {
        panic!("a negative learning rate was accepted");
    };
    let expected = format!("{}:5:1: train.learning_rate: ", desk.path().display());
    assert!(message.message.starts_with(&expected), "{message:?}");
    desk.save("");
    assert!(matches!(desk.next(), Reload::Refused(m) if m.message.contains("name: is missing")));
    desk.save(b"\xff");
    assert!(matches!(desk.next(), Reload::Refused(m) if m.message.contains("UTF-8")));
    desk.save(text("1e-3"));
    same(desk.rate(), 1e-3);
}

#[test]
fn an_override_holds_until_its_key_is_edited() {
    let desk = Desk::new(&["train.learning_rate=7e-3", "train.seed=9"]);
    let seeded = |rate: &str, seed: &str| format!("{}seed = {seed}\n", text(rate));
    let next = || match desk.next() {
        Reload::Changed(saved) => {
            let config = &saved[0].config;
            (config.learning_rate(), config.train.seed)
        }
        other => panic!("{other:?}"),
    };
    desk.save(format!("# a remark\n{}", text("1e-3")));
    let (rate, seed) = next();
    same(rate, 7e-3);
    assert_eq!(seed, 9);
    desk.save(text("-2"));
    assert!(
        matches!(desk.next(), Reload::Refused(_)),
        "its own edit wins, and is wrong"
    );
    desk.save(text("1e-3"));
    same(next().0, 7e-3);
    desk.save(text("2e-3"));
    let (rate, seed) = next();
    same(rate, 2e-3);
    assert_eq!(seed, 9);
    desk.save(seeded("1e-3", "9"));
    same(next().0, 1e-3);
    desk.save(seeded("1e-3", "10"));
    assert_eq!(next().1, 10);
}

#[test]
fn two_files_are_watched_and_one_may_appear_later() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("run.toml");
    let second = folder.path().join("runs/a/config.toml");
    fs::create_dir_all(second.parent().unwrap()).unwrap();
    fs::write(&first, text("1e-3")).unwrap();
    let watch = ConfigWatch::start(&[first.clone(), second.clone()], &[]).unwrap();
    let desk = Desk { folder, watch };
    fs::write(&second, text("2e-3")).unwrap();
    same(desk.rate(), 2e-3);
    fs::write(&first, text("3e-3")).unwrap();
    same(desk.rate(), 3e-3);
}

#[test]
fn a_folder_that_appears_later_is_watched_from_then_on() {
    let pace = Pace {
        idle: Duration::from_millis(100),
        // Only what is known to have been closed is reported in time.
        doubtful: Duration::from_hours(1),
        ..PACE
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs/config.toml");
    let watch = ConfigWatch::start_at(pace, std::slice::from_ref(&path), &[]).unwrap();
    fs::create_dir(folder.path().join("runs")).unwrap();
    let start = Instant::now();
    for save in 1.. {
        assert!(start.elapsed() < PATIENCE);
        fs::write(&path, text(&format!("{save}e-4"))).unwrap();
        if watch.receiver().recv_timeout(2 * SILENCE).is_ok() {
            break;
        }
    }
}

#[test]
fn files_saved_at_the_same_moment_are_reported_together() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["run.toml", "config.toml"].map(|name| folder.path().join(name));
    for path in &paths {
        fs::write(path, text("1e-3")).unwrap();
    }
    let watch = ConfigWatch::start_at(SLOW, &paths, &[]).unwrap();
    for (path, rate) in paths.iter().zip(["2e-3", "3e-3"]) {
        fs::write(path, text(rate)).unwrap();
    }
    let Ok(Reload::Changed(saved)) = watch.receiver().recv_timeout(PATIENCE) else {
        panic!("no report");
    };
    let found: Vec<_> = saved.iter().map(|saved| saved.path.clone()).collect();
    assert_eq!(found, paths);
    let rates = saved.iter().map(|saved| saved.config.train.learning_rate);
    assert_eq!(rates.collect::<Vec<_>>(), [Some(2e-3), Some(3e-3)]);
}

#[test]
fn a_file_that_is_still_open_or_lost_a_key_or_is_wrong_waits_longer() {
    let pace = Pace {
        doubtful: Duration::from_secs(3),
        ..EVENTS_ONLY
    };
    let desk = Desk::at(pace, &[]);
    let took = |save: &dyn Fn()| {
        let start = Instant::now();
        save();
        let report = desk.next();
        (start.elapsed() >= pace.doubtful, report)
    };
    let (long, report) = took(&|| desk.save(text("2e-3").replace("learning_rate = 2e-3\n", "")));
    assert!(long && matches!(report, Reload::Changed(_)), "{report:?}");
    let (long, report) = took(&|| desk.save(text("wrong")));
    assert!(long && matches!(report, Reload::Refused(_)), "{report:?}");
    let mut open = fs::File::create(desk.path()).unwrap();
    let start = Instant::now();
    open.write_all(text("4e-3").as_bytes()).unwrap();
    same(desk.rate(), 4e-3);
    // Systems that do not tell of closing wait always.
    assert!(start.elapsed() >= pace.doubtful);
}

#[cfg(unix)]
#[test]
fn the_target_of_a_link_is_watched_and_so_is_the_link() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (
        folder.path().join("there/x.toml"),
        folder.path().join("run.toml"),
    );
    fs::create_dir(target.parent().unwrap()).unwrap();
    fs::write(&target, text("1e-3")).unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let watch = ConfigWatch::start(std::slice::from_ref(&link), &[]).unwrap();
    let desk = Desk { folder, watch };
    fs::write(&target, text("2e-3")).unwrap();
    same(desk.rate(), 2e-3);
    let other = desk.folder.path().join("there/y.toml");
    fs::write(&other, text("3e-3")).unwrap();
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    same(desk.rate(), 3e-3);
}

#[test]
fn without_events_the_watch_finds_changes_by_looking() {
    let pace = Pace {
        idle: Duration::from_millis(100),
        events: Events::Never,
        ..PACE
    };
    let desk = Desk::at(pace, &[]);
    desk.save(text("2e-3"));
    same(desk.rate(), 2e-3);
    fs::remove_file(desk.path()).unwrap();
    assert_eq!(desk.next(), Reload::Gone(desk.path()));
}

#[test]
fn a_folder_deleted_and_made_again_is_still_watched() {
    let desk = Desk::at(PACE, &[]);
    fs::remove_dir_all(desk.folder.path()).unwrap();
    assert_eq!(desk.next(), Reload::Gone(desk.path()));
    fs::create_dir(desk.folder.path()).unwrap();
    desk.save(text("2e-3"));
    same(desk.rate(), 2e-3);
}

#[test]
fn the_thread_ends_with_the_watch_even_when_nobody_reads() {
    let pace = Pace {
        stable: Duration::from_millis(10),
        doubtful: Duration::from_millis(10),
        settling: Duration::from_millis(5),
        ..PACE
    };
    let desk = Desk::at(pace, &[]);
    let receiver = desk.watch.receiver().clone();
    let start = Instant::now();
    for save in 0.. {
        if receiver.is_full() {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{} reports", receiver.len());
        desk.save(text(&format!("{}e-4", save + 1)));
        sleep(Duration::from_millis(60));
    }
    // One more, with which the thread waits for room.
    desk.save(text("0.5"));
    sleep(Duration::from_millis(200));
    drop(desk);
    while receiver.try_recv().is_ok() {}
    let after = receiver.try_recv();
    assert_eq!(after, Err(crossbeam_channel::TryRecvError::Disconnected));
}
