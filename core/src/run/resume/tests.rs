//! Tests of finding where a run goes on.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::event::tests::{all_kinds, edit, event};
use crate::run::Keep;
use crate::run::checkpoint::tests::example;

fn resumed(from_step: u64) -> Event {
    event(from_step, Kind::Resumed { from_step })
}

fn found(checkpoints: &[Checkpoint], events: &[Event]) -> Resume {
    let folder = tempfile::tempdir().unwrap();
    let all = Checkpoints::new(folder.path());
    for checkpoint in checkpoints {
        all.save(checkpoint, Keep::All).unwrap();
    }
    Resume::find(&all, events).unwrap()
}

/// Step and number of each edit to repeat.
fn edits(resume: &Resume) -> Vec<(u64, u32)> {
    resume
        .edits
        .iter()
        .map(|edit| (edit.step, edit.applied.version))
        .collect()
}

fn at_version(step: u64, version: u32) -> Checkpoint {
    let mut checkpoint = example(step, None);
    checkpoint.state.config_version = version;
    checkpoint
}

#[test]
fn the_last_checkpoint_and_the_edits_after_it_are_found() {
    let events = [
        event(50, edit(2, false)),
        event(100, edit(3, false)), // after the checkpoint of this very step
        event(150, edit(4, false)),
    ];
    let resume = found(&[at_version(60, 2), at_version(100, 2)], &events);
    assert_eq!(resume.from_step(), 100);
    assert_eq!(edits(&resume), [(100, 3), (150, 4)]);
    assert_eq!(resume.config.as_deref(), Some("name = \"demo\"\n"));
}

#[test]
fn a_run_killed_again_still_repeats_every_edit() {
    let mut events = vec![
        event(150, edit(2, false)),
        event(170, edit(3, false)),
        resumed(100),
    ];
    let expected = [(150, 2), (170, 3)];
    let checkpoint = [at_version(100, 1)];
    assert_eq!(edits(&found(&checkpoint, &events)), expected);
    events.push(event(150, edit(2, true)));
    assert_eq!(edits(&found(&checkpoint, &events)), expected);
    // With a checkpoint after the first repetition, only the second is left.
    assert_eq!(edits(&found(&[at_version(160, 2)], &events)), [(170, 3)]);
}

#[test]
fn an_edit_by_hand_takes_the_place_of_those_still_to_repeat() {
    let events = [
        event(150, edit(2, false)),
        event(170, edit(3, false)),
        resumed(100),
        event(120, edit(2, false)),
    ];
    assert_eq!(edits(&found(&[at_version(100, 1)], &events)), [(120, 2)]);
}

#[test]
fn a_run_without_checkpoints_starts_over_with_its_own_configuration() {
    let mut events: Vec<Event> = all_kinds()
        .into_iter()
        .take(1)
        .map(|kind| event(0, kind))
        .collect();
    events.push(event(20, edit(2, false)));
    let resume = found(&[], &events);
    assert_eq!((resume.from_step(), edits(&resume)), (0, vec![(20, 2)]));
    assert_eq!(resume.config.as_deref(), Some("name = 'demo'\n"));
    assert!(resume.warnings().is_empty());
    assert_eq!(found(&[], &[]).config, None);
}

#[test]
fn another_program_or_processor_is_warned_of() {
    let same = found(&[example(100, None)], &[]);
    assert_eq!(same.warnings(), Vec::<String>::new());
    let mut foreign = example(100, None);
    foreign.state.program = "0.0.1".to_owned();
    foreign.state.features = vec!["abacus".to_owned()];
    let warnings = found(&[foreign], &[]).warnings().join("\n");
    assert!(
        warnings.contains("version 0.0.1") && warnings.contains("abacus"),
        "{warnings}"
    );
}
