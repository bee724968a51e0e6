//! A hub on this machine: the few addresses that a download asks, and its faults.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::COMMIT;
use crate::hub::download::hex;

/// The repository that the server has.
pub(super) const REPOSITORY: &str = "org/name";

/// Files from this size on go by their SHA-256, as the hub's large files do.
const LARGE: usize = 20;

/// What goes wrong.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// The first question is answered with this status and the hub's own code for it.
    Api(u16, &'static str),
    /// Files can be seen but not fetched.
    Files(u16, &'static str),
    /// One byte of this file arrives changed.
    Flipped(&'static str),
    /// The file's address answers with another body than announced.
    ErrorPage(&'static str),
    /// Half of this file arrives, and then no more.
    Stalled(&'static str),
}

/// A running server; it stops when this value goes.
pub(super) struct Server {
    address: SocketAddr,
    site: Arc<Site>,
    thread: Option<JoinHandle<()>>,
}

struct Site {
    files: BTreeMap<String, Vec<u8>>,
    fault: Fault,
    seen: Mutex<Vec<String>>,
    stop: AtomicBool,
}

struct Request {
    method: String,
    path: String,
    body: Vec<u8>,
}

impl Server {
    pub(super) fn start(files: &[(&str, &[u8])], fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let site = Arc::new(Site {
            files: files
                .iter()
                .map(|(name, content)| ((*name).to_owned(), content.to_vec()))
                .collect(),
            fault,
            seen: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let served = Arc::clone(&site);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.stop.load(Ordering::Acquire) {
                    return;
                }
                // A client that hangs up early is what some tests are about.
                let _ = stream.and_then(|stream| served.serve(&stream));
            }
        });
        Self {
            address,
            site,
            thread: Some(thread),
        }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, as `GET /path`.
    pub(super) fn seen(&self) -> Vec<String> {
        self.site.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.site.stop.store(true, Ordering::Release);
        // Wakes the listener, which then sees the flag.
        let _ = TcpStream::connect(self.address);
        let stopped = self.thread.take().map(JoinHandle::join);
        assert!(matches!(stopped, Some(Ok(()))) || std::thread::panicking());
    }
}

impl Site {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = Request::read(stream)?;
        let line = format!("{} {}", request.method, request.path);
        self.seen.lock().unwrap().push(line);
        let api = format!("/api/models/{REPOSITORY}");
        let files = format!("/{REPOSITORY}/resolve/{COMMIT}/");
        if let (true, Fault::Api(status, code)) = (request.path.starts_with("/api"), self.fault) {
            return refuse(stream, status, code);
        }
        if let Some(file) = request.path.strip_prefix(&files) {
            return self.file(stream, &request.method, file);
        }
        match request.path.strip_prefix(&api) {
            Some("/revision/main" | "/revision/v1") => {
                let names = self.files.keys();
                let list: Vec<_> = names
                    .map(|name| serde_json::json!({ "rfilename": name }))
                    .collect();
                let info = serde_json::json!({ "id": REPOSITORY, "sha": COMMIT, "siblings": list });
                respond(stream, 200, &[], info.to_string().as_bytes())
            }
            Some(path) if path == format!("/paths-info/{COMMIT}") => {
                respond(stream, 200, &[], self.paths_info(&request.body).as_bytes())
            }
            Some(_) => refuse(stream, 404, "RevisionNotFound"),
            None => refuse(stream, 404, "RepoNotFound"),
        }
    }

    fn paths_info(&self, body: &[u8]) -> String {
        let asked: serde_json::Value = serde_json::from_slice(body).unwrap();
        let asked = asked["paths"].as_array().unwrap();
        let known = asked.iter().filter_map(|path| {
            let path = path.as_str()?;
            let size = self.files.get(path)?.len();
            Some(serde_json::json!({ "type": "file", "oid": "0", "size": size, "path": path }))
        });
        serde_json::Value::Array(known.collect()).to_string()
    }

    fn file(&self, mut stream: &TcpStream, method: &str, name: &str) -> std::io::Result<()> {
        let Some(content) = self.files.get(name) else {
            return refuse(stream, 404, "EntryNotFound");
        };
        if let Fault::Files(status, code) = self.fault {
            return refuse(stream, status, code);
        }
        let mut hash = hex(&Sha256::digest(content));
        if content.len() < LARGE {
            hash.truncate(40);
        }
        let headers = [
            ("ETag", format!("\"{hash}\"")),
            ("X-Repo-Commit", COMMIT.to_owned()),
        ];
        if method == "HEAD" {
            return head(stream, 200, &headers, content.len());
        }
        if matches!(self.fault, Fault::ErrorPage(file) if file == name) {
            return refuse(stream, 403, "");
        }
        let mut content = content.clone();
        if matches!(self.fault, Fault::Flipped(file) if file == name) {
            content[0] ^= 1;
        }
        if matches!(self.fault, Fault::Stalled(file) if file == name) {
            head(stream, 200, &headers, content.len())?;
            stream.write_all(&content[..content.len() / 2])?;
            while !self.stop.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(5));
            }
            return Ok(());
        }
        respond(stream, 200, &headers, &content)
    }
}

impl Request {
    fn read(stream: &TcpStream) -> std::io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut parts = first.split_whitespace().map(str::to_owned);
        let (method, path) = (parts.next(), parts.next());
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Self {
            method: method.unwrap_or_default(),
            path: path.unwrap_or_default(),
            body,
        })
    }
}

fn refuse(stream: &TcpStream, status: u16, code: &str) -> std::io::Result<()> {
    let code = [("X-Error-Code", code.to_owned())];
    respond(stream, status, &code, b"{\"error\": \"refused\"}")
}

fn respond(
    mut stream: &TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &[u8],
) -> std::io::Result<()> {
    head(stream, status, headers, body.len())?;
    stream.write_all(body)
}

fn head(
    mut stream: &TcpStream,
    status: u16,
    headers: &[(&str, String)],
    length: usize,
) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} status\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text += "Connection: close\r\n\r\n";
    stream.write_all(text.as_bytes())
}
