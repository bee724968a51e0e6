//! The dashboard: a run as its folder tells it, on a terminal.
//!
//! ```text
//! record ─▶ view ─▶ app ─▶ panels ─▶ draw ─▶ terminal
//! keys, mouse, signals ─▶ input ─▶ app ─▶ wishes ─▶ show ─▶ { steer, process, editor, shell }
//! ```
//!
//! It never holds a trainer: whatever happens to it, the run goes on.
//!
//! | file         | what                                                          |
//! |--------------|---------------------------------------------------------------|
//! | `wanted.rs`  | whether there is to be a screen at all                        |
//! | `child.rs`   | starts the trainer in a session of its own                    |
//! | `show.rs`    | the loop                                                      |
//! | `guard.rs`   | the terminal, and its way back to what it was                 |
//! | `input.rs`   | keys and signals, as one stream                               |
//! | `keys.rs`    | the table of everything that can be done                      |
//! | `app.rs`     | the screen's state                                            |
//! | `overlay.rs` | help, palette, menus                                          |
//! | `seen.rs`    | a run at a moment, as panels see it                           |
//! | `shared.rs`  | what panels have in common                                    |
//! | `panel.rs`   | what a panel is                                               |
//! | `tabs.rs`    | which panels a tab has, and where they stand                  |
//! | `words.rs`   | the panels of lines: now, log                                 |
//! | `config/`    | the panel of the configuration                                |
//! | `charts/`    | the panels of curves                                          |
//! | `fast/`      | the tab of the fast weights                                   |
//! | `runs/`      | the panel of the runs beside this one                         |
//! | `params/`    | the panels of what is trained                                 |
//! | `draw.rs`    | draws what stands around the panels                           |
//! | `theme.rs`   | colours and glyphs; `heat.rs`: cells of maps                  |
//! | `steer.rs`   | sends commands to the run; `process.rs`: signals              |

mod app;
mod charts;
pub(crate) mod child;
mod config;
mod draw;
mod fast;
mod guard;
mod heat;
mod input;
mod keys;
mod layout;
mod overlay;
mod panel;
mod params;
mod process;
mod runs;
mod scroll;
mod seen;
mod shared;
mod show;
pub(crate) mod steer;
mod tabs;
mod theme;
mod wanted;
mod words;

pub(crate) use process::{Life, Trainer};
pub(crate) use show::{Watched, show, wall_clock};
pub(crate) use theme::Tone;
pub(crate) use wanted::is_wanted;
