//! Downloads from a hub on this machine.

use std::time::{Duration, Instant};

use super::server::{Fault, REPOSITORY, Server};
use super::*;

const MODEL: [(&str, &[u8]); 5] = [
    ("config.json", b"{}"),
    ("tokenizer.json", b"{\"version\": \"1.0\"}"),
    ("model.safetensors", b"the weights, as one file"),
    ("README.md", b"not needed"),
    ("pytorch_model.bin", b"not needed beside safetensors"),
];

pub(super) fn hub(cache: &Path, server: &Server) -> Hub {
    Hub {
        endpoint: Some(server.endpoint()),
        retries: 0,
        ..Hub::new(cache.to_path_buf())
    }
}

/// All files below a folder, with links followed.
fn below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// The names of all files below a folder, without locks.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let files = below(folder);
    let files = files
        .iter()
        .filter(|path| path.extension().is_none_or(|extension| extension != "lock"));
    let mut names: Vec<String> = files
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_model_is_downloaded_once_and_then_needs_no_network() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(&MODEL, Fault::None);
    let hub = hub(cache.path(), &server);
    let token = CancelToken::default();
    let folder = hub.resolve(REPOSITORY, &token).unwrap();
    assert_eq!(
        names(&folder),
        ["config.json", "model.safetensors", "tokenizer.json"]
    );
    for (file, content) in &MODEL[..3] {
        assert_eq!(&fs::read(folder.join(file)).unwrap(), content);
    }
    let asked = server.seen();
    assert_eq!(asked[0], "GET /api/models/org/name/revision/main");
    assert_eq!(hub.resolve(REPOSITORY, &token).unwrap(), folder);
    assert_eq!(server.seen(), asked);
    // Another name of the same commit costs the question which commit it is, no file.
    let by_tag = format!("{REPOSITORY}@v1");
    assert_eq!(hub.resolve(&by_tag, &token).unwrap(), folder);
    let gets = |seen: Vec<String>| {
        let files = seen.into_iter().filter(|line| line.starts_with("GET /org"));
        files.count()
    };
    assert_eq!(gets(server.seen()), gets(asked));
    drop(server);
    assert_eq!(hub.resolve(REPOSITORY, &token).unwrap(), folder);
}

#[test]
fn shards_are_downloaded_by_their_index() {
    let index = br#"{"weight_map": {"a": "one.bin", "b": "two.bin", "c": "one.bin"}}"#;
    let files: [(&str, &[u8]); 6] = [
        ("config.json", b"{}"),
        ("spiece.model", b"pieces"),
        ("pytorch_model.bin.index.json", index),
        ("one.bin", b"1"),
        ("two.bin", b"22"),
        ("three.bin", b"not in the index"),
    ];
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(&files, Fault::None);
    let hub = hub(cache.path(), &server);
    let folder = hub.resolve(REPOSITORY, &CancelToken::default()).unwrap();
    assert_eq!(
        names(&folder),
        [
            "config.json",
            "one.bin",
            "pytorch_model.bin.index.json",
            "spiece.model",
            "two.bin"
        ]
    );
    assert_eq!(fs::read(folder.join("two.bin")).unwrap(), b"22");
}

#[test]
fn every_refusal_says_what_to_do() {
    for (path, fault, said) in [
        (
            "org/other",
            Fault::None,
            "no such folder, and no such model on the hub",
        ),
        ("org/name@v9", Fault::None, "no revision `v9` of this model"),
        (
            REPOSITORY,
            Fault::Api(401, "RepoNotFound"),
            "no such model, or a private one",
        ),
        (REPOSITORY, Fault::Api(429, ""), "the hub is busy"),
        (
            REPOSITORY,
            Fault::Api(500, ""),
            "the hub could not give it: HTTP error: 500",
        ),
        (
            REPOSITORY,
            Fault::Files(403, "GatedRepo"),
            "who accepted its terms",
        ),
        (
            REPOSITORY,
            Fault::Files(401, "GatedRepo"),
            "who accepted its terms",
        ),
        (
            REPOSITORY,
            Fault::Files(503, ""),
            "the hub could not give it",
        ),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(&MODEL, fault);
        let message = resolving(&hub(cache.path(), &server), path);
        assert!(message.starts_with(&format!("{path}: ")), "{message}");
        assert!(message.contains(said), "{message} lacks {said}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert_eq!(names(cache.path()), [""; 0], "something is left");
    }
}

#[test]
fn an_address_that_nobody_answers_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(&MODEL, Fault::None);
    let (hub, endpoint) = (hub(cache.path(), &server), server.endpoint());
    drop(server);
    let message = resolving(&hub, REPOSITORY);
    assert!(message.contains(&endpoint), "{message}");
    assert!(message.contains("cannot be reached"), "{message}");
    assert!(message.contains("or give a local folder"), "{message}");
}

#[test]
fn a_repository_that_is_no_model_of_ours_is_refused_before_any_file() {
    let unsafe_index = br#"{"weight_map": {"a": "../../../../x"}}"#;
    let unsafe_model: [(&str, &[u8]); 3] = [
        MODEL[0],
        MODEL[1],
        ("model.safetensors.index.json", unsafe_index),
    ];
    for (files, said) in [
        (&MODEL[..2], "not as model.safetensors or pytorch_model.bin"),
        (&MODEL[1..], "without config.json or a tokenizer"),
        (&unsafe_model, "which is not a file of this folder"),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(files, Fault::None);
        let message = resolving(&hub(cache.path(), &server), REPOSITORY);
        assert!(message.contains(said), "{message} lacks {said}");
    }
}

#[test]
fn a_damaged_file_is_removed_again_and_the_next_attempt_succeeds() {
    for (fault, said) in [
        (
            Fault::Flipped("model.safetensors"),
            "model.safetensors arrived damaged (its SHA-256",
        ),
        (
            Fault::Flipped("config.json"),
            "config.json arrived damaged (git's hash is",
        ),
        (
            Fault::Longer("config.json"),
            "20 bytes are announced instead of 2",
        ),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let broken = Server::start(&MODEL, fault);
        let message = resolving(&hub(cache.path(), &broken), REPOSITORY);
        assert!(message.contains(said), "{message} lacks {said}");
        let healthy = Server::start(&MODEL, Fault::None);
        let hub = hub(cache.path(), &healthy);
        let folder = hub.resolve(REPOSITORY, &CancelToken::default()).unwrap();
        for (file, content) in &MODEL[..3] {
            assert_eq!(&fs::read(folder.join(file)).unwrap(), content);
        }
    }
}

#[test]
fn a_cancelled_download_stops_at_once_and_leaves_no_model() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(&MODEL, Fault::Stalled("model.safetensors"));
    let hub = hub(cache.path(), &server);
    let token = CancelToken::default();
    let stalled = format!("GET /{REPOSITORY}/resolve/{COMMIT}/model.safetensors");
    let (result, took) = std::thread::scope(|scope| {
        let canceller = scope.spawn(|| {
            let start = Instant::now();
            while !server.seen().contains(&stalled) && start.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(2));
            }
            token.cancel();
            Instant::now()
        });
        let result = hub.resolve(REPOSITORY, &token);
        (result, canceller.join().unwrap().elapsed())
    });
    assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
    // 50 ms between two looks at the token; the rest is for a busy machine.
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop(server);
    let offline = offline(cache.path());
    assert!(resolving(&offline, REPOSITORY).contains("lacks this model"));
    let healthy = Server::start(&MODEL, Fault::None);
    let hub = Hub {
        endpoint: Some(healthy.endpoint()),
        ..hub
    };
    let folder = hub.resolve(REPOSITORY, &CancelToken::default()).unwrap();
    assert_eq!(
        fs::read(folder.join("model.safetensors")).unwrap(),
        MODEL[2].1
    );
    // What had come was kept: 12 of its 24 bytes.
    assert_eq!(healthy.ranges(), ["bytes=12-23"]);
}

/// Downloads the model, which must succeed, and returns what was asked of the hub.
fn succeeds(fault: Fault, retries: usize) -> (Vec<String>, Vec<String>) {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(&MODEL, fault);
    let hub = Hub {
        retries,
        ..hub(cache.path(), &server)
    };
    let folder = hub.resolve(REPOSITORY, &CancelToken::default()).unwrap();
    for (file, content) in &MODEL[..3] {
        assert_eq!(&fs::read(folder.join(file)).unwrap(), content);
    }
    let left = names(cache.path());
    assert!(
        !left.iter().any(|name| name.ends_with(".incomplete")),
        "{left:?}"
    );
    (server.seen(), server.ranges())
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_broke() {
    let (_, ranges) = succeeds(Fault::Dropped("model.safetensors"), 0);
    assert_eq!(ranges, ["bytes=12-23"]);
}

#[test]
fn a_hub_that_knows_no_ranges_is_asked_for_the_whole_again() {
    let (seen, ranges) = succeeds(Fault::DroppedWithoutRanges("model.safetensors"), 1);
    assert_eq!(ranges, ["bytes=12-23"]);
    let file = format!("GET /{REPOSITORY}/resolve/{COMMIT}/model.safetensors");
    assert_eq!(seen.iter().filter(|line| **line == file).count(), 3);
}

#[test]
fn a_hub_that_is_busy_is_asked_again() {
    for status in [429, 503] {
        let (seen, _) = succeeds(Fault::Busy(status, 2), 3);
        let first = format!("GET /api/models/{REPOSITORY}/revision/main");
        assert_eq!(seen[..3], [first.clone(), first.clone(), first], "{status}");
    }
}

#[test]
fn a_token_opens_what_is_closed_without() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(&MODEL, Fault::Token("hf_secret"));
    let closed = Hub {
        token: Some("hf_other".to_owned()),
        ..hub(cache.path(), &server)
    };
    let message = resolving(&closed, REPOSITORY);
    assert!(message.contains("set HF_TOKEN, or log in"), "{message}");
    let open = Hub {
        token: Some("hf_secret".to_owned()),
        ..closed
    };
    open.resolve(REPOSITORY, &CancelToken::default()).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_of_and_what_has_come_is_kept() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(&MODEL, Fault::None);
    let hub = hub(cache.path(), &server);
    let blobs = cache.path().join("models--org--name/blobs");
    let weights = blobs.join(format!("{}.incomplete", server::oid(MODEL[2].1)));
    fs::create_dir_all(&blobs).unwrap();
    // A file that has no room for anything.
    std::os::unix::fs::symlink("/dev/full", &weights).unwrap();
    let message = resolving(&hub, REPOSITORY);
    let expected = "model.safetensors needs 24 more bytes, and the disk of";
    assert!(message.contains(expected), "{message}");
    assert!(message.contains("HF_HUB_CACHE"), "{message}");
    fs::remove_file(&weights).unwrap();
    hub.resolve(REPOSITORY, &CancelToken::default()).unwrap();
}

#[test]
fn two_that_want_the_same_file_fetch_it_once() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(&MODEL, Fault::None);
    let hub = hub(cache.path(), &server);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| hub.resolve(REPOSITORY, &CancelToken::default()).unwrap());
        }
    });
    let file = format!("GET /{REPOSITORY}/resolve/{COMMIT}/model.safetensors");
    let count = server.seen().iter().filter(|line| **line == file).count();
    assert_eq!(count, 1);
}
