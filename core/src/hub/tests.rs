//! Finding models without a network; `download` has the rest.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsString;
use std::fs;

use super::*;

#[cfg(feature = "hub")]
mod data_set;
#[cfg(feature = "hub")]
mod download;
#[cfg(feature = "hub")]
mod server;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub that no test may ask.
fn offline(cache: &Path) -> Hub {
    Hub {
        offline: true,
        ..Hub::new(cache.to_path_buf())
    }
}

fn resolving(hub: &Hub, path: &str) -> String {
    let error = hub.resolve(path, &CancelToken::default()).unwrap_err();
    error.to_string()
}

/// Lays a model into a cache, as a library would, and returns its folder there.
fn cached(cache: &Path, repository: &str, list: &[(&str, &str)]) -> PathBuf {
    let folder = cache.join(repository);
    fs::create_dir_all(folder.join("refs")).unwrap();
    fs::write(folder.join("refs/main"), COMMIT).unwrap();
    let snapshot = folder.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    for (file, content) in list {
        fs::write(snapshot.join(file), content).unwrap();
    }
    snapshot
}

#[test]
fn hub_ids_are_told_from_what_can_be_none() {
    for (text, repository, revision) in [
        ("t5-small", "t5-small", "main"),
        ("google/flan-t5-small", "google/flan-t5-small", "main"),
        ("a/b.c_d@v1.0", "a/b.c_d", "v1.0"),
        ("a/b@refs/pr/1", "a/b", "refs/pr/1"),
    ] {
        let id = HubId {
            kind: Kind::Model,
            repository: repository.to_owned(),
            revision: revision.to_owned(),
        };
        assert_eq!(Source::parse(text).unwrap(), Source::Hub(id.clone()));
        assert_eq!(id.to_string(), text);
    }
    for text in [
        "",
        "/no/such/folder",
        "./model",
        "../model",
        "a/b/c",
        "a//b",
        "a/",
        "a b",
        "a--b",
        "modèle",
        "a@",
        "a@../../x",
        "a@/x",
        "a@x\\y",
        "~/model",
        "C:\\model",
    ] {
        let message = Source::parse(text).unwrap_err().to_string();
        assert!(
            message.contains("there is no such folder"),
            "{text}: {message}"
        );
    }
    let message = Source::parse("embedded:t5-nano").unwrap_err().to_string();
    assert!(message.contains("inside the program"), "{message}");
}

#[test]
fn a_folder_with_a_configuration_is_taken_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let hub = offline(Path::new("none"));
    assert!(resolving(&hub, path).contains("holds no config.json"));
    let config = folder.path().join("config.json");
    fs::write(&config, "{}").unwrap();
    let resolved = hub.resolve(path, &CancelToken::default()).unwrap();
    assert_eq!(resolved, folder.path());
    assert!(resolving(&hub, config.to_str().unwrap()).contains("is a file"));
    let cancelled = CancelToken::default();
    cancelled.cancel();
    assert!(matches!(
        hub.resolve(path, &cancelled),
        Err(Error::Cancelled)
    ));
}

#[test]
fn the_cache_folder_is_the_one_that_other_libraries_use() {
    let all = [
        ("HF_HUB_CACHE", "/a"),
        ("HUGGINGFACE_HUB_CACHE", "/b"),
        ("HF_HOME", "/c"),
        ("XDG_CACHE_HOME", "/d"),
        ("HOME", "/e"),
    ];
    for (skipped, expected) in [
        "/a",
        "/b",
        "/c/hub",
        "/d/huggingface/hub",
        "/e/.cache/huggingface/hub",
    ]
    .into_iter()
    .enumerate()
    {
        let variable = |name: &str| {
            let set = all[skipped..].iter().find(|(set, _)| *set == name);
            set.map(|(_, value)| OsString::from(value))
        };
        assert_eq!(cache::folder(variable), Path::new(expected));
    }
}

#[test]
fn a_cached_model_needs_no_network() {
    let cache = tempfile::tempdir().unwrap();
    let list = [
        ("config.json", "{}"),
        ("vocab.txt", ""),
        ("pytorch_model.bin", ""),
    ];
    let folder = cached(cache.path(), "models--org--name", &list);
    let hub = offline(cache.path());
    let token = CancelToken::default();
    assert_eq!(hub.resolve("org/name", &token).unwrap(), folder);
    let commit = format!("org/name@{COMMIT}");
    assert_eq!(hub.resolve(&commit, &token).unwrap(), folder);
    let message = resolving(&hub, "org/name@v2");
    assert!(
        message.contains("org/name@v2: there is no such folder"),
        "{message}"
    );
    assert!(message.contains("HF_HUB_OFFLINE forbids"), "{message}");
}

#[test]
fn half_a_model_in_the_cache_is_none() {
    let index = r#"{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}"#;
    let sharded = [
        ("config.json", "{}"),
        ("tokenizer.json", "{}"),
        ("model.safetensors.index.json", index),
        ("one.safetensors", ""),
    ];
    for (list, lacking) in [
        (&sharded[..0], "lacks its config.json"),
        (&sharded[..1], "lacks a tokenizer"),
        (
            &sharded[..2],
            "lacks weights (model.safetensors or pytorch_model.bin)",
        ),
        (&sharded[..], "lacks the shard two.safetensors"),
    ] {
        let cache = tempfile::tempdir().unwrap();
        cached(cache.path(), "models--name", list);
        let message = resolving(&offline(cache.path()), "name");
        assert!(message.contains(lacking), "{message}");
    }
}

#[test]
fn a_cached_data_set_needs_no_network_and_half_of_it_is_none() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cached(cache.path(), "datasets--org--data", &[("train.tsv", "a")]);
    let hub = offline(cache.path());
    let id = HubId::parse(Kind::DataSet, "org/data").unwrap();
    let choosing = |wanted: &'static str| {
        let choose = move |names: &[String]| {
            let found = names.iter().find(|name| *name == wanted);
            let lacks = || Error::data("org/data", None, format!("lacks {wanted}"));
            Ok(vec![found.ok_or_else(lacks)?.clone()])
        };
        hub.data_set(&id, &choose, &|| false)
    };
    assert_eq!(choosing("train.tsv").unwrap(), folder);
    let message = choosing("test.tsv").unwrap_err().to_string();
    assert!(
        message.starts_with("org/data: there is no such folder"),
        "{message}"
    );
    assert!(message.contains("HF_HUB_OFFLINE forbids"), "{message}");
    let message = HubId::parse(Kind::DataSet, "a b").unwrap_err().to_string();
    assert!(message.contains("a hub id would read"), "{message}");
}
