//! One kernel, from its connection file to its end.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::{fs, thread};

use crossbeam_channel::unbounded;
use jupyter_protocol::ConnectionInfo;
use jupyter_protocol::connection_info::Transport;

use crate::child::Child;
use crate::engine::{Engine, Job, Surroundings};
use crate::folders::{self, Own};
use crate::history::History;
use crate::outlet::Outlet;
use crate::server::{Office, Sockets, ways};
use crate::{install, side, view};

/// Allows a kernel to listen where other machines reach it.
const ANYWHERE: &str = "COMPACTER_KERNEL_ANY_ADDRESS";

/// Is the kernel of the front end that wrote the connection file.
///
/// # Errors
/// Why it cannot be, for people.
pub fn run(connection_file: &Path) -> Result<(), String> {
    let data = folders::data()?;
    view::enter(&data)?;
    let info = connection(connection_file)?;
    // What interrupts the terminal of the front end is the front end's to pass on.
    let ignored = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, ignored)
        .map_err(|error| format!("SIGINT: {error}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    // Sockets before all else: a front end waits for them.
    let sockets = runtime.block_on(Sockets::bind(&info))?;
    let build = install::current_build(&data)?;
    let release = install::release(&build)?;
    let own = Own::make(&data, &build)?;
    let folder = own.path().to_owned();
    let home = std::env::current_dir().map_err(|error| format!("the present folder: {error}"))?;
    // evcxr looks for its settings here.
    std::env::set_current_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;

    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let (inlet, inlets) = unbounded();
    let child = Child::listen(&folder, inlet.clone()).map_err(failed)?;
    side::listen(&folder, inlet.clone()).map_err(failed)?;
    let history = Arc::new(History::open(&data.join("history.jsonl")));
    let (ways, receivers) = ways();
    let outlet = Outlet::new(inlets, ways.iopub.clone());
    thread::spawn(move || outlet.run());
    let (job, jobs) = unbounded();
    let (typed, typing) = unbounded();
    let surroundings = Surroundings {
        jobs,
        iopub: ways.iopub.clone(),
        shell: ways.shell.clone(),
        stdin: (ways.stdin.clone(), typing),
        outlet: inlet,
        child: Arc::clone(&child),
        history: Arc::clone(&history),
        folder: folder.clone(),
        home,
    };
    thread::spawn(move || Engine::run(surroundings));
    let office = Office {
        jobs: job.clone(),
        typed,
        child: Arc::clone(&child),
        history,
        release,
        folder,
    };
    let shutdown = runtime.block_on(sockets.serve((ways, receivers), office));
    tracing::info!("the end was asked for: {shutdown:?}");
    let _gone = job.send(Job::End);
    child.kill();
    runtime.shutdown_background();
    Ok(())
}

/// Reads a connection file; refuses what would let others in.
fn connection(path: &Path) -> Result<ConnectionInfo, String> {
    let failed = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let info: ConnectionInfo =
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    if info.key.is_empty() {
        return Err(failed(
            "its key is empty: anybody could run code here".to_owned(),
        ));
    }
    if info.signature_scheme != "hmac-sha256" {
        return Err(failed(format!(
            "signature_scheme {}: only hmac-sha256 is known",
            info.signature_scheme
        )));
    }
    let loopback =
        info.ip == "localhost" || info.ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if info.transport == Transport::TCP && !loopback && std::env::var_os(ANYWHERE).is_none() {
        return Err(failed(format!(
            "ip {}: other machines could reach the kernel; set {ANYWHERE} if that is what you want",
            info.ip
        )));
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_would_let_others_in_is_refused() {
        let file = |key: &str, ip: &str, scheme: &str| {
            let text = format!(
                r#"{{"ip":"{ip}","transport":"tcp","shell_port":1,"iopub_port":2,"stdin_port":3,
                "control_port":4,"hb_port":5,"key":"{key}","signature_scheme":"{scheme}"}}"#
            );
            let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
            let path = folder.path().join("connection.json");
            fs::write(&path, text).map_err(|error| error.to_string())?;
            connection(&path)
        };
        assert!(file("k", "127.0.0.1", "hmac-sha256").is_ok());
        for (key, ip, scheme, word) in [
            ("", "127.0.0.1", "hmac-sha256", "key"),
            ("k", "0.0.0.0", "hmac-sha256", "other machines"),
            ("k", "::1", "hmac-md5", "hmac-md5"),
        ] {
            let why = file(key, ip, scheme).err().unwrap_or_default();
            assert!(why.contains(word), "{why}");
        }
    }
}
