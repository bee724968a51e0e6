//! Values shown in a cell: what is rich, how it gets there, and the pieces it is made of.
//!
//! | file           | what                                                       |
//! |----------------|------------------------------------------------------------|
//! | `bundle.rs`    | [`Bundle`]: one value in several forms                     |
//! | `expression.rs`| the value of a cell's last expression                      |
//! | `colour.rs`    | every colour and size                                      |
//! | `html.rs`      | escaping, and pieces of HTML                               |
//! | `number.rs`    | numbers for people                                         |
//! | `table.rs`     | [`Table`]                                                  |
//! | `tensor.rs`    | candle's tensors                                           |
//! | `config.rs`    | configurations and errors                                  |
//! | `chart.rs`     | curves as SVG                                              |
//! | `heat.rs`      | matrices as SVG                                            |
//! | `bars.rs`      | named numbers as bars                                      |
//!
//! HTML has inline styles only. Colours of text and lines are the page's own, paler by
//! opacity, so that it reads in light and dark themes; its plain twin says the same.

mod bars;
mod bundle;
pub mod chart;
pub(crate) mod colour;
mod config;
mod expression;
pub mod heat;
pub(crate) mod html;
pub(crate) mod number;
mod table;
mod tensor;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::channel::{Channel, Message, Op};

pub use bundle::Bundle;
pub use expression::EvcxrDisplay;
pub use table::{Cell, Table};

/// A value that a notebook shows as more than its `Debug` text.
///
/// # Examples
/// ```
/// use compacter_notebook::show::{Bundle, Rich, display};
///
/// struct Swatch(&'static str);
///
/// impl Rich for Swatch {
///     fn bundle(&self) -> Bundle {
///         let html = format!("<div style=\"background:{};height:1em\"></div>", self.0);
///         Bundle::plain(self.0).with_html(html)
///     }
/// }
///
/// display(&Swatch("teal"));
/// ```
pub trait Rich {
    /// The value in the forms that a front end may choose from; `text/plain` is always there.
    fn bundle(&self) -> Bundle;
}

impl<T: Rich + ?Sized> Rich for &T {
    fn bundle(&self) -> Bundle {
        (**self).bundle()
    }
}

impl Rich for Bundle {
    fn bundle(&self) -> Bundle {
        self.clone()
    }
}

/// A place in a cell's output, to be shown anew.
#[derive(Debug, Clone)]
pub struct DisplayHandle {
    id: String,
    cell: String,
}

impl DisplayHandle {
    /// Shows something else in its place, in the cell that made it, whichever runs by now.
    pub fn update<T: Rich + ?Sized>(&self, value: &T) {
        let message = Message::new(Op::Update, self.cell.clone(), value.bundle());
        Channel::of_process().send(message.named(&self.id));
    }
}

/// Shows a value below what the cell has shown so far.
pub fn display<T: Rich + ?Sized>(value: &T) -> DisplayHandle {
    let channel = Channel::of_process();
    let handle = DisplayHandle {
        id: unused_id(),
        cell: channel.cell(),
    };
    let message = Message::new(Op::Display, handle.cell.clone(), value.bundle());
    channel.send(message.named(&handle.id));
    handle
}

/// Takes away what the cell has shown: `clear_output(true)` waits for what comes instead.
pub fn clear_output(when: impl Into<Clear>) {
    let channel = Channel::of_process();
    let mut message = Message::new(Op::Clear, channel.cell(), Bundle::default());
    message.wait = when.into() == Clear::Wait;
    channel.send(message);
}

/// When a cell's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clear {
    /// At once.
    Now,
    /// When there is something to show instead, so that nothing flickers.
    Wait,
}

impl From<bool> for Clear {
    fn from(wait: bool) -> Self {
        if wait { Self::Wait } else { Self::Now }
    }
}

/// A name that no display has, of this process or of one before it.
fn unused_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let moment = since_epoch.map_or(0, |duration| duration.as_micros());
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    format!("compacter-{process}-{moment:x}-{count}")
}
