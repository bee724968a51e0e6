//! Tasks that are refused, and what the refusals say.

use super::*;

/// What is changed in a task that works, and what its refusal says.
type Broken<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

fn assert_refused(form: InputForm, cases: &[Broken<'_>]) {
    for (changes, file, expected) in cases {
        let mut settings = CLASSIFY.to_owned();
        for (from, to) in *changes {
            assert!(settings.contains(from), "{from}");
            settings = settings.replace(from, to);
        }
        let file = if file.is_empty() { REVIEWS } else { file };
        let files = [("a.tsv", file), ("one.tsv", "sentence\tlabel\nx\t1\n")];
        match Scene::new(form, &files).load(&settings) {
            Ok(_) => panic!("{settings} was taken"),
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains(expected), "{expected}: {message}");
            }
        }
    }
}

#[test]
fn settings_that_are_missing_or_at_odds_are_refused() {
    let label = "label = 'label'";
    assert_refused(
        InputForm::Encoder,
        &[
            (
                &[(label, "name = 'blue/sst2'")],
                "",
                "task.name: no task is named `blue/sst2`",
            ),
            (&[(label, "name = 'lesson:x'")], "", "lesson `x`"),
            (
                &[("kind = 'classification'", "")],
                "",
                "task.kind: is needed",
            ),
            (&[("train = 'a.tsv'", "")], "", "task.train: is needed"),
            (&[(label, "")], "", "task.label: is needed"),
            (&[("text = ['sentence']", "")], "", "task.text: is needed"),
            (
                &[("['sentence']", "['a', 'b', 'c']")],
                "",
                "join them with task.template",
            ),
            (
                &[("'sentence'", "'sentense'")],
                "",
                "did you mean `sentence`?",
            ),
            (
                &[("'label'", "'lable'")],
                "",
                "a.tsv: no column `lable`, which task.label names",
            ),
            (
                &[("'classification'", "'text-to-text'")],
                "",
                "needs an encoder-decoder",
            ),
        ],
    );
}

#[test]
fn settings_without_use_or_sense_are_refused() {
    let label = "label = 'label'";
    assert_refused(
        InputForm::Encoder,
        &[
            (
                &[
                    ("classification", "regression"),
                    (label, "label = 'label'\nlabels = ['a']"),
                ],
                "",
                "task.labels: applies to classification only",
            ),
            (
                &[(label, "label = 'label'\nlabels = ['a']")],
                "",
                "at least two labels",
            ),
            (
                &[(label, "label = 'label'\nlabels = ['a', 'a']")],
                "",
                "names `a` twice",
            ),
            (
                &[(label, "label = 'label'\nmax_target_length = 3")],
                "",
                "text-to-text tasks only",
            ),
            (
                &[(label, "label = 'label'\nmax_length = 2")],
                "",
                "leaves no room for text",
            ),
            (
                &[(label, "label = 'label'\nmax_train_samples = 0")],
                "",
                "must be at least 1",
            ),
            (
                &[(label, "label = 'label'\nvalidation_fraction = 0.5")],
                "",
                "has no effect",
            ),
            (
                &[("validation = 'a.tsv'", "validation_fraction = 1.5")],
                "",
                "task.validation_fraction: must lie between 0 and 1, found 1.5",
            ),
            (
                &[(label, "label = 'label'\ntemplate = '{lable}'")],
                "",
                "task.text: names `sentence`",
            ),
            (
                &[(label, "label = 'label'\ntemplate = '{sentence'")],
                "",
                "lacks its `}`",
            ),
            (
                &[
                    ("validation = 'a.tsv'", ""),
                    ("train = 'a.tsv'", "train = 'one.tsv'"),
                ],
                "",
                "cannot be held out",
            ),
            (
                &[("validation = 'a.tsv'", "validation = 'b.tsv'")],
                "",
                "b.tsv: no such file",
            ),
        ],
    );
}

#[test]
fn answers_that_do_not_fit_are_refused_with_their_line() {
    let number = &[("classification", "regression")][..];
    let named = &[(
        "label = 'label'",
        "label = 'label'\nlabels = ['bad', 'good']",
    )][..];
    assert_refused(
        InputForm::Encoder,
        &[
            (
                &[],
                "sentence\tlabel\nx\t1\ny\t1\n",
                "column `label` holds `1` only",
            ),
            (
                named,
                "sentence\tlabel\nx\tgood\ny\tgoood\n",
                "a.tsv:3: unknown label `goood`",
            ),
            (
                named,
                "sentence\tlabel\nx\tgood\ny\tgoood\n",
                "(did you mean `good`?)",
            ),
            (
                named,
                "sentence\tlabel\nx\t2\n",
                "a.tsv:2: unknown label `2`; known are `bad`",
            ),
            (named, "sentence\tlabel\nx\t-1\n", "unknown label `-1`"),
            (named, "sentence\tlabel\nx\t\n", "unknown label ``"),
            (
                number,
                "sentence\tlabel\nx\t1.5\ny\thigh\n",
                "a.tsv:3: `label` must be a finite",
            ),
            (
                number,
                "sentence\tlabel\nx\tNaN\n",
                "a.tsv:2: `label` must be a finite number",
            ),
            (number, "sentence\tlabel\nx\tinf\n", "found `inf`"),
            (number, "sentence\tlabel\nx\t\n", "found ``"),
        ],
    );
}

#[test]
fn labels_that_the_tokenizer_cannot_tell_apart_are_refused() {
    let same = "sentence\tlabel\nx\t中\ny\t字\n";
    let expected = "task.labels: `中` and `字` are the same to the model's tokenizer";
    assert_refused(InputForm::EncoderDecoder, &[(&[], same, expected)]);
}

#[test]
fn a_label_that_is_a_number_is_no_place_among_others() {
    let (from_one, zero) = ("sentence\tlabel\nx\t1\ny\t2\n", "sentence\tlabel\nx\t0\n");
    let files = [("a.tsv", from_one), ("b.tsv", zero)];
    let scene = Scene::new(InputForm::Encoder, &files);
    let settings = CLASSIFY.replace("validation = 'a.tsv'", "validation = 'b.tsv'");
    let message = scene.load(&settings).unwrap_err().to_string();
    assert!(
        message.ends_with("b.tsv:2: unknown label `0`; known are `1`, `2`"),
        "{message}"
    );
}

#[test]
fn an_unknown_label_in_the_validation_file_names_that_file() {
    let files = [("a.tsv", REVIEWS), ("b.tsv", "sentence\tlabel\nx\t2\n")];
    let scene = Scene::new(InputForm::Encoder, &files);
    let settings = CLASSIFY.replace("validation = 'a.tsv'", "validation = 'b.tsv'");
    let message = scene.load(&settings).unwrap_err().to_string();
    assert!(
        message.ends_with("b.tsv:2: unknown label `2`; known are `0`, `1`"),
        "{message}"
    );
}
