//! One file a command.

pub(crate) mod bench;
pub(crate) mod compare;
pub(crate) mod ctl;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod fork;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod kernel;
pub(crate) mod params;
pub(crate) mod predict;
pub(crate) mod replay;
pub(crate) mod sweep;
pub(crate) mod train;
pub(crate) mod trained;
pub(crate) mod watch;
