//! A hub on this machine: the few addresses that a download asks, and its faults.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::COMMIT;
use crate::hub::store::hex;

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
    /// Another body than announced stands for this file.
    Longer(&'static str),
    /// Half of this file arrives, and then no more.
    Stalled(&'static str),
    /// The first connection for this file breaks after half of it.
    Dropped(&'static str),
    /// As `Dropped`, and the server knows nothing of ranges.
    DroppedWithoutRanges(&'static str),
    /// So many requests are refused with this status before one is answered.
    Busy(u16, usize),
    /// Who does not show this token is refused.
    Token(&'static str),
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
    ranges: Mutex<Vec<String>>,
    stop: AtomicBool,
}

struct Request {
    method: String,
    path: String,
    /// Lower-case names with their values.
    headers: BTreeMap<String, String>,
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
            ranges: Mutex::default(),
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

    /// The ranges asked for so far, as `bytes=12-23`.
    pub(super) fn ranges(&self) -> Vec<String> {
        self.site.ranges.lock().unwrap().clone()
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
        let before = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(line);
            seen.len() - 1
        };
        match self.fault {
            Fault::Busy(status, times) if before < times => return refuse(stream, status, ""),
            Fault::Token(token) if request.header("authorization") != format!("Bearer {token}") => {
                return refuse(stream, 401, "");
            }
            _ => {}
        }
        let api = format!("/api/models/{REPOSITORY}");
        let files = format!("/{REPOSITORY}/resolve/{COMMIT}/");
        // The same repository stands for a model and a data set.
        let path = request.path.replace("/datasets/", "/");
        let request = Request {
            path: path
                .replace("/api/", "/api/models/")
                .replace("models/models", "models"),
            ..request
        };
        if let (true, Fault::Api(status, code)) = (request.path.starts_with("/api"), self.fault) {
            return refuse(stream, status, code);
        }
        if let Some(file) = request.path.strip_prefix(&files) {
            return self.file(stream, &request, file);
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
            let content = self.files.get(path)?;
            let (size, oid) = (content.len(), oid(content));
            let mut entry =
                serde_json::json!({ "type": "file", "oid": oid, "size": size, "path": path });
            if size >= LARGE {
                let sha256 = hex(&Sha256::digest(content));
                entry["lfs"] = serde_json::json!({ "oid": sha256, "size": size });
            }
            Some(entry)
        });
        serde_json::Value::Array(known.collect()).to_string()
    }

    fn file(&self, mut stream: &TcpStream, request: &Request, name: &str) -> std::io::Result<()> {
        let Some(content) = self.files.get(name) else {
            return refuse(stream, 404, "EntryNotFound");
        };
        if let Fault::Files(status, code) = self.fault {
            return refuse(stream, status, code);
        }
        let headers = [
            ("ETag", format!("\"{}\"", oid(content))),
            ("X-Repo-Commit", COMMIT.to_owned()),
        ];
        if request.method == "HEAD" {
            return head(stream, 200, &headers, content.len());
        }
        let mut content = content.clone();
        match self.fault {
            Fault::Longer(file) if file == name => {
                return respond(stream, 200, &headers, b"{\"error\": \"refused\"}");
            }
            Fault::Flipped(file) if file == name => content[0] ^= 1,
            Fault::Stalled(file) if file == name => {
                head(stream, 200, &headers, content.len())?;
                stream.write_all(&content[..content.len() / 2])?;
                while !self.stop.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                return Ok(());
            }
            Fault::Dropped(file) | Fault::DroppedWithoutRanges(file)
                if file == name && self.asked(request) == 1 =>
            {
                head(stream, 200, &headers, content.len())?;
                return stream.write_all(&content[..content.len() / 2]);
            }
            _ => {}
        }
        let range = request.header("range");
        if range.is_empty() {
            return respond(stream, 200, &headers, &content);
        }
        self.ranges.lock().unwrap().push(range.to_owned());
        if let Fault::DroppedWithoutRanges(_) = self.fault {
            return respond(stream, 200, &headers, &content);
        }
        let bounds = range
            .strip_prefix("bytes=")
            .and_then(|range| range.split_once('-'));
        let (start, end) = bounds.unwrap();
        let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
        respond(stream, 206, &headers, &content[start..=end])
    }

    /// How often this was asked for, this time included.
    fn asked(&self, request: &Request) -> usize {
        let seen = self.seen.lock().unwrap();
        // Of a data set, more stands before the path.
        let same =
            |line: &&String| line.starts_with(&request.method) && line.ends_with(&request.path);
        seen.iter().filter(same).count()
    }
}

/// Git's hash of a content, or for large ones of the pointer to it.
pub(super) fn oid(content: &[u8]) -> String {
    let blob = |text: &[u8]| {
        let mut hash = Sha1::new();
        hash.update(format!("blob {}\0", text.len()));
        hash.update(text);
        hex(&hash.finalize())
    };
    if content.len() < LARGE {
        return blob(content);
    }
    let (sha256, size) = (hex(&Sha256::digest(content)), content.len());
    let lines = [
        "version https://git-lfs.github.com/spec/v1".to_owned(),
        format!("oid sha256:{sha256}"),
        format!("size {size}"),
    ];
    blob((lines.join("\n") + "\n").as_bytes())
}

impl Request {
    fn read(stream: &TcpStream) -> std::io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut parts = first.split_whitespace().map(str::to_owned);
        let (method, path) = (parts.next(), parts.next());
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        let length = headers.get("content-length");
        let length = length.map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Self {
            method: method.unwrap_or_default(),
            path: path.unwrap_or_default(),
            headers,
            body,
        })
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
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
