//! Tests of files that are edited, and written into, while a run goes on.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use tempfile::TempDir;

use super::*;

const TEXT: &str = "\
# A trial.
name = \"demo\"
model.path = '/m'
task.name = 't'
[train]
learning_rate = 1e-3 # peak
epochs = 3
";

/// A run with two live files.
struct Desk {
    folder: TempDir,
    live: LiveFiles,
    in_force: RunConfig,
}

impl Desk {
    fn new(sets: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        fs::write(&path, TEXT).unwrap();
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        let in_force = RunConfig::load(&path, &sets).unwrap();
        let run = RunFolder::create(folder.path(), "demo").unwrap();
        run.write_config(&in_force.to_toml()).unwrap();
        let mut live = LiveFiles::of(&run, &in_force);
        live.add(&path, &in_force);
        Self {
            folder,
            live,
            in_force,
        }
    }

    fn started(&self) -> PathBuf {
        self.folder.path().join("run.toml")
    }

    fn own(&self) -> PathBuf {
        self.folder.path().join("demo/config.toml")
    }

    /// Brings saved files into force, as the trainer does.
    fn edit(&mut self, saved: Vec<Saved>) -> Result<(), String> {
        let merged = self.live.merge(&self.in_force, &saved)?;
        self.live.owe(&self.in_force, &merged, Reach::All);
        self.in_force = merged;
        self.live.agree(saved);
        self.write();
        Ok(())
    }

    fn set(&mut self, set: &str) {
        let text = self.in_force.to_toml();
        let path = self.own();
        let config = RunConfig::parse(&path, &text, &[set.to_owned()]).unwrap();
        self.live.owe(&self.in_force, &config, Reach::All);
        self.in_force = config;
        self.write();
    }

    fn write(&mut self) {
        self.live.write_own(&self.in_force).unwrap();
        assert_eq!(self.live.write_others(&self.in_force), Vec::<String>::new());
    }

    /// Whether both files mean what is in force.
    fn agrees(&self) -> bool {
        let means = |path: PathBuf| RunConfig::load(&path, &[]).unwrap() == self.in_force;
        means(self.own()) && means(self.started())
    }
}

/// Saves a file with a text replaced; what the watch reports of it.
#[track_caller]
fn save(path: PathBuf, from: &str, to: &str) -> Saved {
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    let text = text.replace(from, to);
    fs::write(&path, &text).unwrap();
    let config = RunConfig::parse(&path, &text, &[]).unwrap();
    Saved { path, text, config }
}

#[test]
fn a_command_is_written_into_both_files_and_comments_stay() {
    let mut desk = Desk::new(&[]);
    desk.set("train.learning_rate=3e-4");
    let text = fs::read_to_string(desk.started()).unwrap();
    assert_eq!(text, TEXT.replace("1e-3", "0.0003"));
    assert!(desk.agrees());
    let own = fs::read_to_string(desk.own()).unwrap();
    assert!(super::super::seal::is_sealed(&own), "{own}");
}

#[test]
fn an_edit_of_one_file_reaches_the_other_and_keeps_what_was_changed_there() {
    let mut desk = Desk::new(&[]);
    let saved = save(desk.own(), "epochs = 3.0", "# long\nepochs = 5.0");
    desk.edit(vec![saved]).unwrap();
    let saved = save(desk.started(), "1e-3 # peak", "2e-3 # higher");
    desk.edit(vec![saved]).unwrap();
    assert!(desk.agrees());
    assert_eq!(desk.in_force.train.learning_rate, Some(2e-3));
    assert_eq!(desk.in_force.train.epochs.to_bits(), 5f64.to_bits());
    let own = fs::read_to_string(desk.own()).unwrap();
    assert!(own.contains("# long\nepochs = 5.0"), "{own}");
    assert!(super::super::seal::is_sealed(&own), "{own}");
}

#[test]
fn files_saved_at_the_same_moment_are_merged_and_a_conflict_is_refused() {
    let mut desk = Desk::new(&[]);
    let one = save(desk.started(), "1e-3", "2e-3");
    let other = save(desk.own(), "epochs = 3.0", "epochs = 4.0");
    desk.edit(vec![one, other]).unwrap();
    assert!(desk.agrees());

    let one = save(desk.started(), "2e-3", "5e-3");
    let other = save(desk.own(), "learning_rate = 0.002", "learning_rate = 0.006");
    let message = desk.edit(vec![one, other]).unwrap_err();
    assert!(message.contains("train.learning_rate"), "{message}");
    assert!(message.contains("0.005 and 0.006"), "{message}");
    assert_eq!(desk.in_force.train.learning_rate, Some(2e-3));
    let right = save(desk.started(), "5e-3", "6e-3");
    desk.edit(vec![right]).unwrap();
    assert_eq!(desk.in_force.train.learning_rate, Some(6e-3));
    assert!(desk.agrees());
}

#[test]
fn a_save_that_the_watch_has_not_reported_yet_is_not_written_over() {
    let mut desk = Desk::new(&[]);
    let saved = save(desk.started(), "1e-3", "2e-3");
    desk.set("train.learning_rate=7e-3");
    assert_eq!(fs::read_to_string(desk.started()).unwrap(), saved.text);
    desk.edit(vec![saved]).unwrap();
    assert_eq!(desk.in_force.train.learning_rate, Some(2e-3));
    assert!(desk.agrees());
}

#[test]
fn a_file_that_is_half_written_gets_what_it_lacks_once_it_is_whole() {
    let mut desk = Desk::new(&[]);
    fs::write(desk.started(), "name = ").unwrap();
    desk.set("train.learning_rate=7e-3");
    assert_eq!(fs::read_to_string(desk.started()).unwrap(), "name = ");
    fs::write(desk.started(), TEXT).unwrap();
    let saved = save(desk.started(), "epochs = 3", "epochs = 9");
    desk.edit(vec![saved]).unwrap();
    assert_eq!(desk.in_force.train.learning_rate, Some(7e-3));
    assert_eq!(desk.in_force.train.epochs.to_bits(), 9f64.to_bits());
    assert!(desk.agrees());
}

#[test]
fn a_set_value_stays_out_of_the_file_until_it_is_changed() {
    let mut desk = Desk::new(&["train.learning_rate=5e-3"]);
    desk.set("train.epochs=4");
    let text = fs::read_to_string(desk.started()).unwrap();
    assert_eq!(text, TEXT.replace("epochs = 3", "epochs = 4.0"));
    desk.set("train.learning_rate=7e-3");
    let text = fs::read_to_string(desk.started()).unwrap();
    assert!(text.contains("learning_rate = 0.007 # peak"), "{text}");
    assert!(desk.agrees());
}
