#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn observed(name: &str, seed: u64, kind: &str) -> Observed {
    let text = format!(
        "name = '{name}'\nmodel.path = 'none'\ntask.name = 'known'\nmethod.kind = '{kind}'\ntrain.seed = {seed}\n"
    );
    Observed {
        name: name.to_owned(),
        config: RunConfig::parse(Path::new("run.toml"), &text, &[]).unwrap(),
        trainable: 10,
        total: 1000,
        peak_memory: Some(100 << 20),
        step_seconds: Some(0.5),
        metric: Some("accuracy".to_owned()),
        validation: Some(0.5),
        test: None,
    }
}

fn number(table: &Table, row: usize, name: &str) -> Option<f64> {
    let at = table
        .columns
        .iter()
        .position(|(column, _)| column == name)
        .unwrap();
    match &table.rows[row][at] {
        Cell::Number(number) => Some(*number),
        Cell::Empty => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn repetitions_are_one_row_with_an_interval() {
    let mut second = observed("b", 2, "full");
    second.validation = Some(0.7);
    let other = observed("c", 1, "compacter");
    let groups = groups(vec![observed("a", 1, "full"), other, second]);
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["a +1", "c"]);
    assert!(groups[0].holds("b") && !groups[1].holds("b"));
    let table = table(&groups, &groups[0]);
    // t(0.975; 1) = 12.706, sd / √2 = 0.1.
    let low = number(&table, 0, "validation_low").unwrap();
    assert!((low - (0.6 - 1.2706)).abs() < 1e-4, "{low}");
    assert_eq!(number(&table, 1, "validation_low"), None);
    assert_eq!(number(&table, 1, "test_mean"), None);
}

#[test]
fn differences_are_told_in_both_conventions() {
    let mut small = observed("c", 1, "compacter");
    (small.peak_memory, small.step_seconds) = (Some(50 << 20), Some(0.625));
    let groups = groups(vec![observed("a", 1, "full"), small]);
    let table = table(&groups, &groups[0]);
    let told = |name| number(&table, 1, name).unwrap();
    assert!((told("memory_of_baseline") + 50.0).abs() < 1e-9);
    assert!((told("memory_of_own") + 100.0).abs() < 1e-9);
    assert!((told("time_of_baseline") - 25.0).abs() < 1e-9);
    assert!((told("time_of_own") - 20.0).abs() < 1e-9);
    assert_eq!(number(&table, 0, "memory_of_own"), Some(0.0));
}

#[test]
fn the_time_of_a_step_is_the_median() {
    let step = |seconds: f64| Step {
        loss: 1.0,
        learning_rate: 0.1,
        gradient_norm: 1.0,
        epoch: 0.0,
        total_steps: 4,
        tokens: 1,
        seconds,
        memory: None,
        peak_memory: None,
        skipped: false,
    };
    let steps = [step(9.0), step(1.0), step(2.0), step(4.0)];
    let of = |count: usize| median(steps[..count].iter().collect::<Vec<_>>().iter());
    assert_eq!(
        (of(0), of(1), of(3), of(4)),
        (None, Some(9.0), Some(2.0), Some(3.0))
    );
}
