//! The table of everything that can be done.

use ratatui::crossterm::event::KeyCode;

use super::Effect::{Asks, Looks, Steers};
use super::Place::{
    Charting, Choosing, Comparing, Everywhere, Quitting, Rating, Replaying, Scrolling, Searching,
};
use super::{Action, Effect, Id, Key, Place};

const fn c(c: char) -> Key {
    Key::char(c)
}

const fn k(code: KeyCode) -> Key {
    Key::code(code)
}

/// A row without hint and argument.
const fn row(
    id: Id,
    keys: &'static [Key],
    name: &'static str,
    place: Place,
    effect: Effect,
    help: &'static str,
) -> Action {
    Action {
        id,
        keys,
        name,
        takes: "",
        help,
        hint: "",
        place,
        effect,
    }
}

impl Action {
    const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    const fn takes(mut self, takes: &'static str) -> Self {
        self.takes = takes;
        self
    }
}

/// Everything that can be done; hints stand in this order.
#[rustfmt::skip]
pub(crate) static TABLE: &[Action] = &[
    row(Id::Help, &[c('?'), k(KeyCode::F(1))], "help", Everywhere, Looks, "what the keys do; type to look for one").hint("help"),
    row(Id::Quit, &[c('q')], "quit", Everywhere, Asks, "leave: training goes on unless you choose otherwise").hint("quit"),
    row(Id::Interrupt, &[Key::ctrl('c')], "", Everywhere, Asks, "the quit menu; again: stop and save").hint(""),
    row(Id::Palette, &[c(':')], "", Everywhere, Looks, "do something by its name").hint("commands"),
    row(Id::Pause, &[c('P')], "pause", Everywhere, Steers, "wait after the present step").hint("pause"),
    row(Id::Resume, &[c('R')], "resume", Everywhere, Steers, "go on after a pause").hint("resume"),
    row(Id::Step, &[c('O')], "step", Everywhere, Steers, "do one step, or so many, then wait").takes("STEPS"),
    row(Id::Evaluate, &[c('V')], "eval", Everywhere, Steers, "measure the validation split now").hint("eval"),
    row(Id::Checkpoint, &[c('C')], "checkpoint", Everywhere, Steers, "write a checkpoint now").hint("checkpoint"),
    row(Id::LearningRate, &[c('L')], "lr", Everywhere, Asks, "change the learning rate").takes("VALUE").hint("lr"),
    row(Id::Set, &[], "set", Everywhere, Steers, "change a field of the configuration").takes("KEY=VALUE"),
    row(Id::Undo, &[c('U')], "undo", Everywhere, Steers, "take back the last change").hint(""),
    row(Id::Edit, &[c('E')], "edit", Everywhere, Asks, "open the run's configuration in your editor").hint("edit"),
    row(Id::Stop, &[c('S')], "stop", Everywhere, Steers, "end the run as complete after the present step").hint("stop"),

    row(Id::NextPane, &[k(KeyCode::Tab)], "next-pane", Everywhere, Looks, "the next panel").hint("panel"),
    row(Id::PreviousPane, &[k(KeyCode::BackTab)], "previous-pane", Everywhere, Looks, "the panel before"),
    row(Id::Maximise, &[c('z'), k(KeyCode::Enter)], "maximise", Everywhere, Looks, "the panel alone, or all again").hint("maximise"),
    row(Id::Back, &[k(KeyCode::Esc)], "back", Everywhere, Looks, "back to where you came from"),
    row(Id::Tab(1), &[c('1')], "overview", Everywhere, Looks, "tab 1: the run at a glance"),
    row(Id::Tab(2), &[c('2')], "charts", Everywhere, Looks, "tab 2: every curve"),
    row(Id::Tab(3), &[c('3')], "fast-weights", Everywhere, Looks, "tab 3: the method's factors"),
    row(Id::Tab(4), &[c('4')], "params", Everywhere, Looks, "tab 4: what is trained"),
    row(Id::Tab(5), &[c('5')], "runs", Everywhere, Looks, "tab 5: runs side by side"),
    row(Id::Tab(6), &[c('6')], "config", Everywhere, Looks, "tab 6: the configuration in force"),
    row(Id::Tab(7), &[c('7')], "log", Everywhere, Looks, "tab 7: everything that happened"),
    row(Id::NextTab, &[c(']')], "next-tab", Everywhere, Looks, "the next tab"),
    row(Id::PreviousTab, &[c('[')], "previous-tab", Everywhere, Looks, "the tab before"),
    row(Id::Theme, &[c('T')], "theme", Everywhere, Looks, "the next theme: auto, dark, light, mono"),
    row(Id::Mouse, &[], "mouse", Everywhere, Looks, "give the mouse to the terminal, or take it again"),
    row(Id::Freeze, &[c('F')], "freeze", Everywhere, Looks, "hold the picture still, or let it go on; training goes on"),
    row(Id::Export, &[c('w')], "export", Everywhere, Looks, "write the panel to a file: .csv, .svg, or .txt as it looks").takes("FILE"),
    row(Id::Redraw, &[Key::ctrl('l')], "redraw", Everywhere, Looks, "draw everything again"),
    row(Id::Suspend, &[Key::ctrl('z')], "suspend", Everywhere, Looks, "back to the shell; `fg` returns"),
    row(Id::Detach, &[], "detach", Everywhere, Looks, "leave; training goes on"),

    row(Id::Up, &[c('k'), k(KeyCode::Up)], "up", Scrolling, Looks, "up"),
    row(Id::Down, &[c('j'), k(KeyCode::Down)], "down", Scrolling, Looks, "down").hint("down"),
    row(Id::Left, &[c('h'), k(KeyCode::Left)], "left", Scrolling, Looks, "left"),
    row(Id::Right, &[c('l'), k(KeyCode::Right)], "right", Scrolling, Looks, "right"),
    row(Id::PageUp, &[k(KeyCode::PageUp), Key::ctrl('b')], "page-up", Scrolling, Looks, "a page up"),
    row(Id::PageDown, &[k(KeyCode::PageDown), Key::ctrl('f')], "page-down", Scrolling, Looks, "a page down"),
    row(Id::First, &[c('g'), k(KeyCode::Home)], "first", Scrolling, Looks, "the beginning"),
    row(Id::Last, &[c('G'), k(KeyCode::End)], "last", Scrolling, Looks, "the end, and stay there").hint(""),
    row(Id::WheelUp, &[], "wheel-up", Scrolling, Looks, "a little up, as the mouse's wheel does"),
    row(Id::WheelDown, &[], "wheel-down", Scrolling, Looks, "a little down, as the mouse's wheel does"),
    row(Id::Search, &[c('/')], "search", Searching, Looks, "look for text, or show only what has it").takes("TEXT").hint("search"),
    row(Id::NextMatch, &[c('n')], "next-match", Searching, Looks, "the next match"),
    row(Id::PreviousMatch, &[c('N')], "previous-match", Searching, Looks, "the match before"),

    row(Id::ZoomIn, &[c('+')], "zoom-in", Charting, Looks, "fewer steps, wider").hint("zoom"),
    row(Id::ZoomOut, &[c('-')], "zoom-out", Charting, Looks, "more steps, narrower"),
    row(Id::ZoomReset, &[c('0')], "zoom-reset", Charting, Looks, "the whole run"),
    row(Id::Follow, &[c('f')], "follow", Charting, Looks, "stay with the newest step").hint("follow"),
    row(Id::LogScale, &[c('y')], "log-scale", Charting, Looks, "logarithmic scale, or linear").hint("log"),
    row(Id::Axis, &[c('x')], "axis", Charting, Looks, "count steps, epochs, tokens, or time"),
    row(Id::Smoother, &[c('m')], "smoother", Charting, Looks, "smoother curves").hint("smooth"),
    row(Id::Rougher, &[c('M')], "rougher", Charting, Looks, "less smooth curves"),
    row(Id::Inspect, &[c('i')], "inspect", Charting, Looks, "read values off").hint("inspect"),
    row(Id::Baseline, &[c('b')], "baseline", Charting, Looks, "measure from here"),
    row(Id::Clip, &[c('o')], "clip", Charting, Looks, "leave outliers out of the picture, or not"),


    row(Id::Quantity, &[c('v')], "quantity", Choosing, Looks, "show another quantity").hint("quantity"),
    row(Id::Sort, &[c('s')], "sort", Choosing, Looks, "sort by another column").hint("sort"),
    row(Id::Copy, &[c('Y')], "copy", Choosing, Looks, "copy the value"),
    row(Id::Copy, &[c('Y')], "copy-value", Charting, Looks, "copy the value under the crosshair, or the newest"),

    row(Id::Open, &[k(KeyCode::Enter)], "open", Comparing, Looks, "watch the chosen run instead").hint("watch"),
    row(Id::Select, &[c(' ')], "select", Comparing, Looks, "lay the run's curves over this one's, or no longer").hint("overlay"),
    row(Id::Pin, &[c('*')], "pin", Comparing, Looks, "measure the others against the run, or no longer").hint("baseline"),
    row(Id::Fork, &[c('B')], "fork", Comparing, Asks, "branch a new run off the chosen one's last checkpoint, or that of a step").takes("STEP").hint("fork"),

    row(Id::Hold, &[c('p')], "hold", Replaying, Looks, "hold the replay, or let it go on").hint("hold"),
    row(Id::Quicker, &[c('>')], "quicker", Replaying, Looks, "play twice as fast").hint("faster"),
    row(Id::Calmer, &[c('<')], "calmer", Replaying, Looks, "play half as fast"),

    row(Id::Save, &[c('S'), Key::ctrl('c')], "", Quitting, Steers, "stop and save; `--resume` goes on"),
    row(Id::Kill, &[c('K')], "", Quitting, Steers, "kill; what was not saved is lost"),
    row(Id::Faster, &[c('*')], "", Rating, Looks, "larger"),
    row(Id::Slower, &[c('/')], "", Rating, Looks, "smaller"),
];
