//! The kernel's sockets: who is answered by whom.
//!
//! | socket    | asked for                         | answered by                            |
//! |-----------|-----------------------------------|----------------------------------------|
//! | shell     | execute, complete, inspect        | the engine, in order                   |
//! | shell     | everything else                   | at once                                |
//! | control   | interrupt, shutdown, kernel info  | at once                                |
//! | stdin     | input that a cell asked for       | –                                      |
//! | iopub     | subscriptions                     | a welcome; all that cells show goes out |
//! | heartbeat | any bytes                         | the same bytes                         |

use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::Sender;
use jupyter_protocol::{ConnectionInfo, JupyterMessage};
use jupyter_zmq_client::{
    KernelHeartbeatConnection, KernelIoPubXPubConnection, RouterRecvConnection,
    RouterSendConnection, SubscriptionEvent, create_kernel_control_connection,
    create_kernel_heartbeat_connection, create_kernel_iopub_xpub_connection,
    create_kernel_shell_connection, create_kernel_stdin_connection,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use zeromq::{SocketRecv, SocketSend};

use crate::child::Child;
use crate::engine::Job;
use crate::history::History;
use crate::info;
use crate::parse::whole;
use crate::wire::{Request, Seen, WireError, message, read};

/// Messages that may wait for a socket.
const QUEUE: usize = 1024;

/// The sockets, bound.
pub struct Sockets {
    shell: (RouterSendConnection, RouterRecvConnection),
    control: (RouterSendConnection, RouterRecvConnection),
    stdin: (RouterSendConnection, RouterRecvConnection),
    iopub: KernelIoPubXPubConnection,
    heartbeat: KernelHeartbeatConnection,
}

/// The ways to the sockets that others send through.
pub struct Ways {
    /// To iopub.
    pub iopub: mpsc::Sender<JupyterMessage>,
    /// To the shell.
    pub shell: mpsc::Sender<JupyterMessage>,
    /// To stdin.
    pub stdin: mpsc::Sender<JupyterMessage>,
}

/// What the sockets' tasks share.
pub struct Office {
    /// The way to the engine.
    pub jobs: Sender<Job>,
    /// Where what was typed goes.
    pub typed: Sender<String>,
    /// The process that runs cells.
    pub child: Arc<Child>,
    /// What was run before.
    pub history: Arc<History>,
    /// The release of the compiler, such as `1.95.0`.
    pub release: String,
    /// The kernel's own folder.
    pub folder: std::path::PathBuf,
}

/// A front end may ask for the kernel's end, or for its end and a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// Whether a new one is to follow.
    pub restart: bool,
}

impl Sockets {
    /// Binds them.
    ///
    /// # Errors
    /// What is wrong with the connection file, for people, or that a port is taken.
    pub async fn bind(info: &ConnectionInfo) -> Result<Self, String> {
        let failed = |error: jupyter_zmq_client::RuntimeError| error.to_string();
        let session = uuid();
        let shell = create_kernel_shell_connection(info, &session)
            .await
            .map_err(failed)?;
        let control = create_kernel_control_connection(info, &session)
            .await
            .map_err(failed)?;
        let stdin = create_kernel_stdin_connection(info, &session)
            .await
            .map_err(failed)?;
        Ok(Self {
            shell: shell.split(),
            control: control.split(),
            stdin: stdin.split(),
            iopub: create_kernel_iopub_xpub_connection(info, &session)
                .await
                .map_err(failed)?,
            heartbeat: create_kernel_heartbeat_connection(info)
                .await
                .map_err(failed)?,
        })
    }

    /// Serves until a front end wants the kernel to end.
    pub async fn serve(self, ways: (Ways, Receivers), office: Office) -> Shutdown {
        let (ways, receivers) = ways;
        let seen = Arc::new(Seen::default());
        let (office, iopub) = (Arc::new(office), ways.iopub);
        tokio::spawn(publish(self.iopub, receivers.iopub));
        tokio::spawn(send(self.shell.0, receivers.shell));
        tokio::spawn(send(self.stdin.0, receivers.stdin));
        tokio::spawn(echo(self.heartbeat));
        tokio::spawn(listen_typed(
            self.stdin.1,
            Arc::clone(&seen),
            Arc::clone(&office),
        ));
        let start = message("status", json!({"execution_state": "starting"}), None);
        let _gone = iopub.send(start).await;
        let desk = Desk {
            reply: ways.shell,
            iopub: iopub.clone(),
            seen: Arc::clone(&seen),
            office: Arc::clone(&office),
        };
        tokio::spawn(desk.serve(self.shell.1));
        let (to, from) = mpsc::channel(QUEUE);
        tokio::spawn(send(self.control.0, from));
        let desk = Desk {
            reply: to,
            iopub,
            seen,
            office,
        };
        let shutdown = desk.serve(self.control.1).await;
        // Let the last answers out.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        shutdown
    }
}

/// The other ends of [`Ways`].
pub struct Receivers {
    iopub: mpsc::Receiver<JupyterMessage>,
    shell: mpsc::Receiver<JupyterMessage>,
    stdin: mpsc::Receiver<JupyterMessage>,
}

/// The ways to the sockets, and their other ends.
#[must_use]
pub fn ways() -> (Ways, Receivers) {
    let (iopub, iopub_end) = mpsc::channel(QUEUE);
    let (shell, shell_end) = mpsc::channel(QUEUE);
    let (stdin, stdin_end) = mpsc::channel(QUEUE);
    let ends = Receivers {
        iopub: iopub_end,
        shell: shell_end,
        stdin: stdin_end,
    };
    (
        Ways {
            iopub,
            shell,
            stdin,
        },
        ends,
    )
}

fn uuid() -> String {
    // The protocol's library makes one for every message.
    message("session", json!({}), None).header.msg_id
}

async fn send(mut socket: RouterSendConnection, mut messages: mpsc::Receiver<JupyterMessage>) {
    while let Some(message) = messages.recv().await {
        if let Err(error) = socket.send(message).await {
            tracing::warn!("an answer could not be sent: {error}");
        }
    }
}

async fn publish(
    mut socket: KernelIoPubXPubConnection,
    mut messages: mpsc::Receiver<JupyterMessage>,
) {
    loop {
        let sent = tokio::select! {
            message = messages.recv() => match message {
                Some(message) => socket.send(message).await,
                None => return,
            },
            event = socket.recv_subscription() => match event {
                Ok(SubscriptionEvent::Subscribe(topic)) => {
                    let content = json!({"subscription": topic});
                    socket.send(message("iopub_welcome", content, None)).await
                }
                Ok(SubscriptionEvent::Unsubscribe(_)) => Ok(()),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = sent {
            tracing::warn!("iopub: {error}");
        }
    }
}

async fn echo(mut heartbeat: KernelHeartbeatConnection) {
    while let Ok(bytes) = heartbeat.socket.recv().await {
        if let Err(error) = heartbeat.socket.send(bytes).await {
            tracing::warn!("heartbeat: {error}");
        }
    }
}

/// Reads a socket; what is not let in is logged, and the next is read.
async fn next(socket: &mut RouterRecvConnection, seen: &Seen, name: &str) -> Option<Request> {
    loop {
        match read(socket, seen).await {
            Ok(request) => return Some(request),
            Err(WireError::Socket(error)) => {
                tracing::error!("{name}: {error}");
                return None;
            }
            Err(error) => tracing::warn!("{name}: a message was not let in: {error}"),
        }
    }
}

async fn listen_typed(mut socket: RouterRecvConnection, seen: Arc<Seen>, office: Arc<Office>) {
    while let Some(request) = next(&mut socket, &seen, "stdin").await {
        if request.header.msg_type == "input_reply" {
            let _gone = office.typed.send(request.text("value").to_owned());
        }
    }
}

/// One socket on which requests come in.
struct Desk {
    reply: mpsc::Sender<JupyterMessage>,
    iopub: mpsc::Sender<JupyterMessage>,
    seen: Arc<Seen>,
    office: Arc<Office>,
}

impl Desk {
    /// Answers requests until one asks for the kernel's end.
    async fn serve(self, mut socket: RouterRecvConnection) -> Shutdown {
        while let Some(request) = next(&mut socket, &self.seen, "requests").await {
            let kind = request.header.msg_type.as_str();
            if matches!(
                kind,
                "execute_request" | "complete_request" | "inspect_request"
            ) {
                // The engine says when it is busy with it.
                let _gone = self.office.jobs.send(Job::Shell(request));
                continue;
            }
            self.status("busy", &request).await;
            if let Some((kind, content)) = self.answer(&request).await {
                let _gone = self.reply.send(request.reply(kind, content)).await;
            }
            self.status("idle", &request).await;
            if request.header.msg_type == "shutdown_request" {
                return Shutdown {
                    restart: request.flag("restart", false),
                };
            }
        }
        Shutdown { restart: false }
    }

    async fn status(&self, state: &str, request: &Request) {
        let content = json!({"execution_state": state});
        let _gone = self
            .iopub
            .send(message("status", content, Some(&request.header)))
            .await;
    }

    /// The answer to what needs no engine; `None` where there is none to give.
    async fn answer(&self, request: &Request) -> Option<(&'static str, Value)> {
        let ok = json!({"status": "ok"});
        Some(match request.header.msg_type.as_str() {
            "kernel_info_request" => ("kernel_info_reply", info::content(&self.office.release)),
            "is_complete_request" => ("is_complete_reply", whole(request.text("code")).content()),
            "history_request" => ("history_reply", self.office.history.answer(request)),
            "comm_info_request" => ("comm_info_reply", json!({"status": "ok", "comms": {}})),
            "comm_open" => {
                // We have no target to open: the protocol's answer is to close it again.
                let content = json!({"comm_id": request.content["comm_id"], "data": {}});
                let close = message("comm_close", content, Some(&request.header));
                let _gone = self.iopub.send(close).await;
                return None;
            }
            "comm_msg" | "comm_close" => return None,
            "interrupt_request" => {
                let (child, folder) = (Arc::clone(&self.office.child), self.office.folder.clone());
                // Looking for the compiler takes some milliseconds.
                let done = tokio::task::spawn_blocking(move || child.interrupt(Path::new(&folder)));
                let _done = done.await;
                ("interrupt_reply", ok)
            }
            "shutdown_request" => {
                let restart = request.flag("restart", false);
                let content = json!({"status": "ok", "restart": restart});
                let last = message("shutdown_reply", content.clone(), Some(&request.header));
                let _gone = self.iopub.send(last).await;
                ("shutdown_reply", content)
            }
            other => {
                tracing::warn!("{other}: no such request is known");
                return None;
            }
        })
    }
}
