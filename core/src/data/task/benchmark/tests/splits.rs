//! Which rows are for what.

use super::*;

/// A table of one column of numbers that tell rows apart, and a label.
fn numbered(rows: usize, columns: &str) -> String {
    let cells = columns.matches('\t').count();
    let row = |at: usize| format!("{at}{}\t{}\n", "\tx".repeat(cells), at % 2);
    format!("{columns}\tlabel\n") + &(0..rows).map(row).collect::<String>()
}

#[test]
fn the_validation_rows_of_a_small_task_are_halved_as_in_the_paper() {
    let files = [
        (
            "RTE/train.jsonl",
            r#"{"premise": "a", "hypothesis": "b", "label": "entailment", "idx": 0}"#,
        ),
        ("RTE/val.tsv", &numbered(277, "premise\thypothesis")),
    ];
    let scene = Scene::t5(&files);
    let data = scene.load("name = 'super_glue/rte'").unwrap();
    let test = data.test.unwrap();
    assert_eq!(
        (data.train.len(), data.validation.len(), test.len()),
        (1, 138, 139)
    );
    // torch.randperm(277, seed 42), whose first rows are for validation.
    let first = [207, 84, 253, 243, 190, 28].map(|row: usize| Gold::Class(u32::from(row % 2 == 1)));
    let found: Vec<Gold> = data.validation[..6]
        .iter()
        .map(|e| e.gold.clone())
        .collect();
    assert_eq!(found, first);
    let other = scene
        .load("name = 'super_glue/rte'\ndata_seed = 1")
        .unwrap();
    assert_ne!(other.validation, data.validation);
    let official = scene
        .load("name = 'super_glue/rte'\nsplit = 'official'")
        .unwrap();
    assert_eq!((official.validation.len(), official.test), (277, None));
}

#[test]
fn a_large_task_lends_a_thousand_training_rows_to_validation() {
    let files = [
        ("sst2/train.tsv", &*numbered(1010, "sentence")),
        ("sst2/dev.tsv", &numbered(4, "sentence")),
    ];
    let scene = Scene::t5(&files);
    let sizes = |settings: &str| {
        let data = scene
            .load(&format!("name = 'glue/sst2'\n{settings}"))
            .unwrap();
        (
            data.train.len(),
            data.validation.len(),
            data.test.map(|test| test.len()),
        )
    };
    assert_eq!(sizes(""), (10, 1000, Some(4)));
    assert_eq!(sizes("max_train_samples = 3"), (3, 1000, Some(4)));
    assert_eq!(sizes("split = 'official'"), (1010, 4, None));
    assert_eq!(
        sizes("split = 'official'\nmax_train_samples = 5"),
        (5, 4, None)
    );
}

#[test]
fn mnli_validates_on_other_genres_and_is_tested_on_the_same() {
    let header = "premise\thypothesis\tlabel\n";
    let files = [
        ("train.tsv", &*format!("{header}a\tb\t0\n")),
        ("dev_matched.tsv", &format!("{header}a\tb\t1\n")),
        ("dev_mismatched.tsv", &format!("{header}a\tb\t2\n")),
    ];
    let scene = Scene::t5(&files);
    let data = scene.load("name = 'glue/mnli'").unwrap();
    assert_eq!(gold(&data.validation), [&Gold::Class(2)]);
    assert_eq!(gold(&data.test.unwrap()), [&Gold::Class(1)]);
    let data = scene
        .load("name = 'glue/mnli'\nsplit = 'official'")
        .unwrap();
    assert_eq!(
        (gold(&data.validation), data.test),
        (vec![&Gold::Class(1)], None)
    );
}

#[test]
fn questions_of_multirc_stay_whole_unless_the_quirk_parts_them() {
    let answers = |question: usize| format!("P\tq{question}\tyes\t1\nP\tq{question}\tno\t0\n");
    let content = "paragraph\tquestion\tanswer\tlabel\n".to_owned()
        + &(0..9).map(answers).collect::<String>();
    let scene = Scene::t5(&[("train.tsv", &content), ("val.tsv", &content)]);
    let groups = |examples: &[Example]| {
        let mut groups: Vec<u32> = examples.iter().map(|e| e.group.unwrap()).collect();
        groups.sort_unstable();
        groups
    };
    let data = scene.load("name = 'super_glue/multirc'").unwrap();
    assert_eq!(groups(&data.validation), [0, 0, 1, 1, 2, 2, 3, 3]);
    assert_eq!(data.test.as_ref().unwrap().len(), 10);
    let quirk = "name = 'super_glue/multirc'\nquirks = ['multirc-parted-questions']";
    let data = scene.load(quirk).unwrap();
    assert_eq!((data.validation.len(), data.test.unwrap().len()), (9, 9));
}

#[test]
fn record_trains_on_each_right_answer_and_accepts_any() {
    let row = |query: usize| {
        let query = format!("@placeholder {query}");
        let row = serde_json::json!({
            "passage": "It rained.\n@highlight\nA dry day\n@highlight\nEnd", "query": query,
            "entities": ["Mia", "Leo"], "answers": ["Leo", "Mia"],
            "idx": {"passage": 0, "query": 1},
        });
        format!("{row}\n")
    };
    let train: String = (0..1001).map(row).collect();
    let files = [("train.jsonl", &*train), ("val.jsonl", &row(0))];
    let scene = Scene::t5(&files);
    let read = t5("name = 'super_glue/record'", "train.jsonl", &row(0));
    assert_eq!(
        read,
        "record query: @placeholder 0 entities: Mia, Leo passage: It rained. A dry day. End"
    );
    let data = scene.load("name = 'super_glue/record'").unwrap();
    let any = Gold::AnyOf(vec!["Leo".to_owned(), "Mia".to_owned()]);
    assert_eq!(gold(&data.train), [&any, &any]);
    assert_eq!(data.train[0].target, scene.written("Leo"));
    assert_eq!(data.train[1].target, scene.written("Mia"));
    assert_eq!((data.validation.len(), data.test.unwrap().len()), (1000, 1));
    let quirk = "name = 'super_glue/record'\nquirks = ['record-repeated-queries']";
    let data = scene.load(quirk).unwrap();
    assert_eq!((data.validation.len(), data.test.unwrap().len()), (2000, 2));
}
