//! Downloads of data sets from a hub on this machine.

use super::download::{hub, names};
use super::server::{Fault, REPOSITORY, Server};
use super::*;

const DATA: [(&str, &[u8]); 3] = [
    ("README.md", b"not needed"),
    (
        "rte/train-00000-of-00001.parquet",
        b"rows, as many as there are",
    ),
    ("rte/validation-00000-of-00001.parquet", b"rows"),
];

#[test]
fn of_a_data_set_the_files_that_are_needed_are_downloaded_once() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(&DATA, Fault::Dropped(DATA[1].0));
    let site = hub(cache.path(), &server);
    let id = HubId::parse(Kind::DataSet, REPOSITORY).unwrap();
    let choose = |names: &[String]| {
        let wanted = names.iter().filter(|name| name.starts_with("rte/"));
        match wanted.cloned().collect::<Vec<_>>() {
            wanted if wanted.len() == 2 => Ok(wanted),
            _ => Err(Error::data(REPOSITORY, None, "has no rte")),
        }
    };
    let folder = site.data_set(&id, &choose, &|| false).unwrap();
    assert!(folder.starts_with(cache.path().join("datasets--org--name")));
    assert_eq!(
        names(&folder),
        DATA[1..]
            .iter()
            .map(|(name, _)| &name[4..])
            .collect::<Vec<_>>()
    );
    assert_eq!(fs::read(folder.join(DATA[1].0)).unwrap(), DATA[1].1);
    assert_eq!(server.ranges(), ["bytes=13-25"]);
    drop(server);
    assert_eq!(site.data_set(&id, &choose, &|| false).unwrap(), folder);

    let server = Server::start(&DATA[..1], Fault::None);
    let other = tempfile::tempdir().unwrap();
    let site = hub(other.path(), &server);
    let message = site
        .data_set(&id, &choose, &|| false)
        .unwrap_err()
        .to_string();
    assert_eq!(message, format!("{REPOSITORY}: has no rte"));
    let id = HubId::parse(Kind::DataSet, "org/other").unwrap();
    let message = site
        .data_set(&id, &choose, &|| false)
        .unwrap_err()
        .to_string();
    assert!(message.contains("no such data set on the hub"), "{message}");
}
