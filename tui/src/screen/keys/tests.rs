//! Promises of the table of keys.

use super::*;

/// Places that one panel may combine, and with them their keys.
const IN_A_PANEL: [Place; 5] = [
    Place::Scrolling,
    Place::Searching,
    Place::Charting,
    Place::Choosing,
    Place::Replaying,
];

#[test]
fn no_lower_case_letter_digit_or_arrow_changes_a_run() {
    for action in TABLE
        .iter()
        .filter(|action| action.effect == Effect::Steers)
    {
        for key in action.keys {
            let upper = key.typed().is_some_and(|c| c.is_ascii_uppercase());
            let interrupt = *key == Key::ctrl('c') && action.place == Place::Quitting;
            assert!(upper || interrupt, "{}: {key}", action.name);
        }
    }
}

#[test]
fn no_key_means_two_things_in_one_place() {
    for places in [&IN_A_PANEL[..], &[Place::Quitting], &[Place::Rating]] {
        let here: Vec<&Action> = valid(places).collect();
        for (at, one) in here.iter().enumerate() {
            for other in here[at + 1..].iter().filter(|other| other.id != one.id) {
                let shared = one.keys.iter().find(|key| other.keys.contains(key));
                assert_eq!(shared, None, "{} and {}", one.name, other.name);
            }
        }
    }
}

#[test]
fn a_panel_takes_no_key_from_the_screen_but_the_one_that_opens() {
    let everywhere: Vec<Key> = valid(&[Place::Everywhere])
        .flat_map(|action| action.keys.iter().copied())
        .collect();
    for action in valid(&IN_A_PANEL).chain(valid(&[Place::Comparing])) {
        let taken = action.keys.iter().any(|key| everywhere.contains(key));
        assert_eq!(taken, action.id == Id::Open, "{}", action.name);
    }
}

#[test]
fn the_first_place_decides() {
    let enter = Key::code(KeyCode::Enter);
    let id = |places: &[Place]| asked(enter, places).map(|action| action.id);
    assert_eq!(id(&[Place::Comparing, Place::Everywhere]), Some(Id::Open));
    assert_eq!(
        id(&[Place::Charting, Place::Everywhere]),
        Some(Id::Maximise)
    );
}

#[test]
fn every_action_can_be_asked_for() {
    for action in TABLE {
        let reached = |key: &Key| asked(*key, &[action.place]).map(|found| found.id);
        assert!(
            action.has_name() || !action.keys.is_empty(),
            "{:?}",
            action.id
        );
        for key in action.keys {
            assert_eq!(reached(key), Some(action.id));
        }
        assert_eq!(super::action(action.id).id, action.id);
    }
}

#[test]
fn names_are_unique_words_and_everything_is_explained() {
    let names: Vec<&str> = TABLE
        .iter()
        .map(|action| action.name)
        .filter(|n| !n.is_empty())
        .collect();
    for (at, name) in names.iter().enumerate() {
        assert!(!names[at + 1..].contains(name), "{name}");
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
            "{name}"
        );
    }
    assert!(TABLE.iter().all(|action| !action.help.is_empty()));
}

#[test]
fn keys_are_what_the_terminal_reports() {
    let event = |code, modifiers| Key::of(&KeyEvent::new(code, modifiers));
    let shifted = event(KeyCode::Char('P'), KeyModifiers::SHIFT);
    assert_eq!(shifted, Some(Key::char('P')));
    assert_eq!(
        event(KeyCode::BackTab, KeyModifiers::SHIFT),
        Some(Key::code(KeyCode::BackTab))
    );
    assert_eq!(
        event(KeyCode::Char('c'), KeyModifiers::CONTROL),
        Some(Key::ctrl('c'))
    );
    // Alt-P is not P.
    assert_eq!(event(KeyCode::Char('P'), KeyModifiers::ALT), None);
    assert_eq!(Key::ctrl('c').to_string(), "Ctrl-C");
}
