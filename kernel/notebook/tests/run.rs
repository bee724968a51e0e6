//! Runs of a small task in this process: trained, shown, asked, forked, compared.
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::fs;
use std::time::Instant;

use compacter_core::event::Kind;
use compacter_core::event::replay::History;
use compacter_core::peft::factors::recorded;
use compacter_notebook::error::NotebookError;
use compacter_notebook::run::{Run, compare};
use compacter_notebook::show::Rich;
use lab::{Lab, sent_of, until_step};
use serde_json::Value;

#[test]
fn a_run_is_shown_while_it_trains_and_attaching_draws_the_same_again() {
    let lab = Lab::new();
    let run = lab
        .builder("shown")
        .set("train.epochs=6")
        .in_process()
        .start()
        .unwrap();
    let start = Instant::now();
    let outcome = run.wait().unwrap();
    assert_eq!((outcome.steps, outcome.name.as_str()), (60, "shown"));
    let is_whole = |message: &Value| {
        message["data"]["text/plain"]
            .as_str()
            .unwrap()
            .contains("finished: all steps done")
    };
    // There before the cell is over.
    assert!(sent_of(&run).last().is_some_and(is_whole));
    let sent = sent_of(&run);
    // Ten a second, and the last one, which does not wait for its turn.
    let most = start.elapsed().as_secs_f64() * 10.0 + 3.0;
    assert!((sent.len() as f64) < most, "{} of {most}", sent.len());
    assert_eq!(sent[0]["op"], "display");
    let (id, cell) = (&sent[0]["display_id"], &sent[0]["cell"]);
    for update in &sent[1..] {
        assert_eq!(
            (&update["op"], &update["display_id"]),
            (&"update".into(), id)
        );
        assert_eq!((&update["cell"], &update["order"]), (cell, &Value::Null));
    }
    let shown = &sent.last().unwrap()["data"];
    let again = Run::attach(run.path()).unwrap();
    assert_eq!(&sent_of(&again).last().unwrap()["data"], shown);
    assert!(shown["text/html"].as_str().unwrap().len() < 60_000);
}

#[test]
fn what_a_run_recorded_comes_back_as_numbers() {
    let lab = Lab::new();
    let run = lab
        .builder("numbers")
        .set("train.epochs=6")
        .in_process()
        .start()
        .unwrap();
    let outcome = run.wait().unwrap();
    let losses = run.losses().unwrap();
    assert_eq!((losses.len(), losses[59].0), (60, 60));
    let metrics = run.metrics().unwrap();
    assert_eq!(metrics.rows().len(), 6);
    let best = metrics
        .column("accuracy")
        .unwrap()
        .into_iter()
        .fold(0.0, f64::max);
    assert!((best - outcome.best["accuracy"]).abs() < 1e-12);
    assert_eq!(run.parameters().unwrap().trainable, 864);
    assert!((run.parameters().unwrap().percent() - 4.3619).abs() < 1e-4);
}

#[test]
fn factors_are_those_of_the_record() {
    let lab = Lab::new();
    let run = lab
        .builder("factors")
        .set("train.epochs=2")
        .in_process()
        .start()
        .unwrap();
    run.wait().unwrap();
    let history = History::read(&run.path().join("events.jsonl")).unwrap();
    let newest = history
        .events()
        .iter()
        .rev()
        .find_map(|event| match &event.kind {
            Kind::Factors(factors) => Some(factors),
            _ => None,
        });
    let snapshot = newest.unwrap();
    for (at, projection) in snapshot.projections.iter().enumerate() {
        let factors = run.factors(at).unwrap();
        assert_eq!(&factors.recorded, projection);
        assert_eq!(factors.sum, recorded(snapshot, at).unwrap());
        // What is recorded has eleven bits, so has what is built of it.
        let squares = factors.matrix().unwrap().sqr().unwrap().sum_all().unwrap();
        let norm = squares.to_scalar::<f64>().unwrap().sqrt();
        assert!(
            (norm / projection.norm - 1.0).abs() < 2e-3,
            "{norm} {}",
            projection.norm
        );
        assert_eq!(run.factors(factors.label.as_str()).unwrap(), factors);
        assert_eq!(run.factors(projection.name.as_str()).unwrap(), factors);
        let html = factors.bundle().html().to_owned();
        assert!(
            html.contains("<rect") && html.len() < 100_000,
            "{}",
            html.len()
        );
    }
}

#[test]
fn commands_are_acknowledged_and_refusals_are_told() {
    let lab = Lab::new();
    let run = lab.long("steered").in_process().start().unwrap();
    until_step(&run, 3);
    run.pause().unwrap();
    let at = run.losses().unwrap().len();
    run.step(4).unwrap();
    assert_eq!(run.losses().unwrap().len(), at + 4);
    run.set_learning_rate(5e-3).unwrap();
    assert_eq!(run.config().unwrap().train.learning_rate, Some(5e-3));
    run.evaluate().unwrap();
    assert_eq!(run.metrics().unwrap().rows().len(), 1);
    run.checkpoint().unwrap();
    let refused = run.set_learning_rate(-1.0).unwrap_err();
    assert!(matches!(refused, NotebookError::Denied { .. }), "{refused}");
    assert!(refused.to_string().contains("learning_rate"), "{refused}");
    let paused = run.wait().unwrap_err().to_string();
    assert!(paused.contains("run.resume()?"), "{paused}");

    run.resume().unwrap();
    run.stop().unwrap();
    run.wait().unwrap();
    let over = run.pause().unwrap_err();
    assert!(matches!(over, NotebookError::Over { .. }), "{over}");
    assert!(over.to_string().contains("run.fork(None)?"), "{over}");
}

#[test]
fn a_fork_goes_on_beside_and_both_are_compared() {
    let lab = Lab::new();
    let run = lab
        .builder("base")
        .set("train.epochs=4")
        .set("train.checkpoint_every=10")
        .in_process()
        .start()
        .unwrap();
    run.wait().unwrap();
    let missing = run.fork(7).unwrap_err().to_string();
    assert!(
        missing.contains("there is no checkpoint of step 7"),
        "{missing}"
    );
    let forked = run.fork(None).unwrap();
    assert_eq!(forked.name(), "base-fork");
    let compared = compare(&[&run, &forked]).unwrap();
    let table = compared.table();
    assert_eq!(table.rows().len(), 2);
    assert!((table.column("trained").unwrap()[0] - 864.0).abs() < 0.5);
    assert!(compared.bundle().html().contains("base-fork"));
}

#[test]
fn the_best_checkpoint_answers_texts() {
    let lab = Lab::new();
    let run = lab
        .builder("asked")
        .set("train.epochs=12")
        .in_process()
        .start()
        .unwrap();
    run.wait().unwrap();
    let table = run
        .predict(&["very glad and kind", "loud bitter dull <b>"])
        .unwrap();
    assert_eq!(
        table.columns(),
        ["sentence", "prediction", "negative", "positive"]
    );
    let (negative, positive) = (
        table.column("negative").unwrap(),
        table.column("positive").unwrap(),
    );
    for (a, b) in negative.iter().zip(positive) {
        assert!((a + b - 1.0).abs() < 1e-5);
    }
    let pair = run.predict(&[["one", "two"]]).unwrap_err().to_string();
    assert!(
        pair.contains("reads 1 texts a row (sentence), found 2"),
        "{pair}"
    );
}

#[test]
fn a_layer_is_taken_away_from_the_best_checkpoint_and_put_back() {
    let lab = Lab::new();
    let run = lab
        .builder("taken")
        .set("train.epochs=12")
        .in_process()
        .quiet()
        .start()
        .unwrap();
    let outcome = run.wait().unwrap();
    assert!(sent_of(&run).is_empty());
    let model = run.trained().unwrap();
    let whole = model.evaluate("validation").unwrap();
    assert!((whole["accuracy"] - outcome.best["accuracy"]).abs() < 1e-12);
    let layers = model.layers();
    assert_eq!(layers.len(), 4, "{layers:?}");
    assert_eq!(layers[0], "enc.1 attn");

    model.remove("enc.1 attn").unwrap();
    let name = "encoder.layer.0.attention.output.adapter.up";
    let left = model.tensor(&format!("{name}.left")).unwrap();
    let sum = |tensor: &candle_core::Tensor| {
        let sum = tensor.abs().unwrap().sum_all().unwrap();
        sum.to_scalar::<f32>().unwrap()
    };
    assert!(sum(&left) < 1e-12);
    assert!(sum(&model.tensor("slow").unwrap()) > 0.0);
    let without = model.evaluate("validation").unwrap()["loss"];
    assert!((without - whole["loss"]).abs() > 1e-6);
    model.restore().unwrap();
    assert_eq!(model.evaluate("validation").unwrap(), whole);

    // Without what all layers share there is no adapter left but the biases.
    let slow = model.tensor("slow").unwrap();
    model.set("slow", &slow.zeros_like().unwrap()).unwrap();
    let none = model.evaluate("validation").unwrap()["loss"];
    assert!((none - whole["loss"]).abs() > 1e-6);
    assert!(model.set("slow", &left).is_err());
    model.restore().unwrap();
    for part in ["enc.1", "enc"] {
        model.remove(part).unwrap();
    }

    let unknown = model.remove("enc.1 atn").unwrap_err().to_string();
    assert!(unknown.contains("did you mean `enc.1 attn`?"), "{unknown}");
    assert!(model.remove("").is_err() && model.remove("en").is_err());
    let split = model.evaluate("all").unwrap_err().to_string();
    assert!(split.contains("no split `all`"), "{split}");
}

#[test]
fn what_was_recorded_of_projections_comes_back_over_the_steps() {
    let lab = Lab::new();
    let run = lab
        .builder("over-steps")
        .set("train.epochs=4")
        .in_process()
        .start()
        .unwrap();
    run.wait().unwrap();
    let drift = run.history(|projection| projection.drift).unwrap();
    let table = run.layers().unwrap();
    assert_eq!((drift.len(), table.rows().len()), (8, 8));
    assert_eq!(drift[0].0, "enc.1 attn down");
    let newest = table.column("drift").unwrap();
    for ((_, points), newest) in drift.iter().zip(newest) {
        assert!(points.len() >= 2 && points.is_sorted_by(|a, b| a.0 < b.0));
        assert!((points.last().unwrap().1 - newest).abs() < 1e-12);
    }
    let slow = run.slow_history().unwrap();
    assert_eq!((slow.len(), slow[0].0.as_str()), (1, "slow"));
    assert_eq!(slow[0].1.len(), drift[0].1.len());
}

#[test]
fn a_run_that_was_started_again_is_the_one_shown() {
    let lab = Lab::new();
    let builder = || lab.builder("again").set("train.epochs=1").in_process();
    builder().start().unwrap().wait().unwrap();
    let taken = builder().start().unwrap_err().to_string();
    for fragment in [
        "finished",
        "with the same configuration",
        "Run::attach(",
        ".fresh()",
    ] {
        assert!(taken.contains(fragment), "{fragment}: {taken}");
    }
    let shown = builder().or_attach().start().unwrap();
    assert_eq!(shown.losses().unwrap().len(), 10);
    let other = builder()
        .or_attach()
        .set("train.seed=1")
        .start()
        .unwrap_err()
        .to_string();
    assert!(other.contains("with another configuration"), "{other}");
    let fresh = builder().set("train.seed=1").fresh().start().unwrap();
    assert_eq!(fresh.wait().unwrap().steps, 10);
    assert_eq!(fresh.config().unwrap().train.seed, 1);
}

#[test]
fn mistakes_say_what_to_do() {
    let lab = Lab::new();
    let refused = |set: &str| {
        let started = lab.builder("never").set(set).in_process().start();
        started.unwrap_err().to_string()
    };
    let cases = [
        ("train.learning_rat=1", "did you mean `learning_rate`?"),
        ("method.n=5", "those that do: 1, 2, 4, 8"),
        (
            "task.labels=['a', 'b']",
            "unknown label `negative`; known are `a`, `b`",
        ),
        ("task.train='nowhere.tsv'", "nowhere.tsv: no such file"),
        ("train.epochs=", "train.epochs"),
    ];
    for (set, fragment) in cases {
        let message = refused(set);
        assert!(message.contains(fragment), "{fragment}: {message}");
    }
    assert!(!lab.path("runs").join("never").exists());

    let run = lab
        .builder("tiny-run")
        .set("train.epochs=2")
        .in_process()
        .start()
        .unwrap();
    run.wait().unwrap();
    let near = Run::attach(lab.path("runs/tiny-rum"))
        .unwrap_err()
        .to_string();
    assert!(
        near.contains("did you mean `") && near.contains("tiny-run`?"),
        "{near}"
    );
    let layer = run.factors("enc.1 atn down").unwrap_err().to_string();
    assert!(layer.contains("did you mean `enc.1 attn down`?"), "{layer}");
    let layer = run.factors(99).unwrap_err().to_string();
    assert!(layer.contains("there are 8, by place 0 to 7"), "{layer}");
}

#[test]
fn a_method_without_factors_says_so() {
    let lab = Lab::new();
    let text = fs::read_to_string(lab.path("run.toml")).unwrap();
    let text = text.replace(
        "kind = \"compacter\"\nn = 4\nreduction_factor = 4",
        "kind = \"head\"",
    );
    fs::write(lab.path("run.toml"), text).unwrap();
    let run = lab
        .builder("head")
        .set("train.epochs=1")
        .in_process()
        .start()
        .unwrap();
    run.wait().unwrap();
    let message = run.factors(0).unwrap_err().to_string();
    assert!(
        message.contains("the method `head` trains no projections"),
        "{message}"
    );
    assert_eq!(run.layers().unwrap_err().to_string(), message);
    let model = run.trained().unwrap();
    assert!(model.layers().is_empty());
    let message = model.remove("enc.1").unwrap_err().to_string();
    assert!(message.contains("adds nothing to the model"), "{message}");
}
