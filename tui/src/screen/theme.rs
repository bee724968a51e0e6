//! Colours and glyphs: what the terminal can show, and what was asked for.
//!
//! | theme   | colours                                                              |
//! |---------|----------------------------------------------------------------------|
//! | `auto`  | the terminal's own background and its 16 colours                     |
//! | `dark`  | light on dark                                                        |
//! | `light` | dark on light                                                        |
//! | `mono`  | none: bold, dim and reversed; also where `NO_COLOR` is set           |

use std::env;

use clap::ValueEnum;
pub(crate) use compacter_tui::chart::Glyphs;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

/// The themes, in the order in which the key goes through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Tone {
    /// The terminal's own colours.
    #[default]
    Auto,
    /// Light on dark.
    Dark,
    /// Dark on light.
    Light,
    /// Without colours.
    Mono,
}

/// How many colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The 16 of ANSI.
    Sixteen,
    /// The 256 of xterm.
    Indexed,
    /// 24 bits.
    True,
}

/// How everything is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Theme {
    /// The theme.
    pub(crate) tone: Tone,
    /// The colours there are.
    pub(crate) depth: Depth,
    /// The characters there are.
    pub(crate) glyphs: Glyphs,
    // `NO_COLOR`: the key that changes themes does not bring colours back.
    colourless: bool,
}

impl Theme {
    /// The theme asked for, as far as the environment allows it.
    pub(crate) fn of_environment(tone: Tone, ascii: bool) -> Self {
        Self::new(tone, ascii, |name| env::var(name).ok())
    }

    fn new(tone: Tone, ascii: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let colourless = set("NO_COLOR").is_some();
        let true_colour = set("COLORTERM")
            .is_some_and(|value| value.contains("truecolor") || value.contains("24bit"));
        let indexed = set("TERM").is_some_and(|value| value.contains("256"));
        // The first that is set decides, as in the C library.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let utf8 = locale.is_some_and(|name| {
            let name = name.to_ascii_lowercase();
            name.contains("utf-8") || name.contains("utf8")
        });
        Self {
            tone: if colourless { Tone::Mono } else { tone },
            depth: match (true_colour, indexed) {
                (true, _) => Depth::True,
                (false, true) => Depth::Indexed,
                (false, false) => Depth::Sixteen,
            },
            glyphs: if ascii || !utf8 {
                Glyphs::Ascii
            } else {
                Glyphs::Unicode
            },
            colourless,
        }
    }

    /// The next theme.
    pub(crate) fn next(&self) -> Self {
        let tone = match self.tone {
            _ if self.colourless => Tone::Mono,
            Tone::Auto => Tone::Dark,
            Tone::Dark => Tone::Light,
            Tone::Light => Tone::Mono,
            Tone::Mono => Tone::Auto,
        };
        Self {
            tone,
            ..self.clone()
        }
    }

    /// Text.
    pub(crate) fn text(&self) -> Style {
        let rgb = self.depth != Depth::Sixteen;
        match self.tone {
            Tone::Auto | Tone::Mono => Style::reset(),
            Tone::Dark if rgb => Style::new().fg(Color::Indexed(252)).bg(Color::Indexed(234)),
            Tone::Dark => Style::new().fg(Color::Gray).bg(Color::Black),
            Tone::Light if rgb => Style::new().fg(Color::Indexed(235)).bg(Color::Indexed(255)),
            Tone::Light => Style::new().fg(Color::Black).bg(Color::White),
        }
    }

    /// What the eye should find: names of runs, the chosen tab.
    pub(crate) fn strong(&self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// What is there but matters less.
    pub(crate) fn faint(&self) -> Style {
        match self.tone {
            Tone::Auto | Tone::Mono => Style::new().add_modifier(Modifier::DIM),
            Tone::Dark | Tone::Light => self.coloured(Color::DarkGray),
        }
    }

    /// What went well.
    pub(crate) fn good(&self) -> Style {
        self.coloured(Color::Green)
    }

    /// What deserves attention.
    pub(crate) fn warning(&self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// What went wrong.
    pub(crate) fn bad(&self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Curves in their order, told apart by markers too.
    pub(crate) fn curves(&self) -> Vec<Style> {
        let colours = [Color::Magenta, Color::Green, Color::Blue, Color::Red];
        let more = colours.map(|colour| self.coloured(colour));
        [self.strong(), self.warning()]
            .into_iter()
            .chain(more)
            .collect()
    }

    /// What is chosen of several.
    pub(crate) fn chosen(&self) -> Style {
        self.text().add_modifier(Modifier::REVERSED)
    }

    /// The frame of a panel.
    pub(crate) fn frame(&self, focused: bool) -> Style {
        if focused { self.strong() } else { self.faint() }
    }

    /// The lines that frames are made of.
    pub(crate) fn border(&self) -> border::Set<'static> {
        match self.glyphs {
            Glyphs::Unicode => border::PLAIN,
            Glyphs::Ascii => border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            },
        }
    }

    /// The character in Unicode, or what stands for it in ASCII.
    pub(crate) fn glyph(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self.glyphs {
            Glyphs::Unicode => unicode,
            Glyphs::Ascii => ascii,
        }
    }

    /// Whether values may be told by colour.
    pub(crate) fn has_colour(&self) -> bool {
        self.tone != Tone::Mono
    }

    fn coloured(&self, colour: Color) -> Style {
        if self.has_colour() {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A theme of a terminal with these variables.
    pub(crate) fn with(tone: Tone, variables: &[(&str, &str)]) -> Theme {
        Theme::new(tone, false, |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    const UTF8: (&str, &str) = ("LANG", "en_GB.UTF-8");

    #[test]
    fn no_color_means_none_whatever_was_asked() {
        let theme = with(Tone::Dark, &[UTF8, ("NO_COLOR", "1")]);
        assert_eq!(theme.tone, Tone::Mono);
        assert_eq!(theme.next().tone, Tone::Mono);
        let unset = with(Tone::Dark, &[UTF8, ("NO_COLOR", "")]);
        assert_eq!(unset.tone, Tone::Dark);
    }

    #[test]
    fn a_locale_that_is_not_utf8_is_drawn_in_ascii() {
        let glyphs = |variables: &[(&str, &str)]| with(Tone::Auto, variables).glyphs;
        assert_eq!(glyphs(&[UTF8]), Glyphs::Unicode);
        assert_eq!(glyphs(&[("LC_CTYPE", "C.utf8")]), Glyphs::Unicode);
        assert_eq!(glyphs(&[UTF8, ("LC_ALL", "C")]), Glyphs::Ascii);
        assert_eq!(glyphs(&[UTF8, ("LC_ALL", "")]), Glyphs::Unicode);
        assert_eq!(glyphs(&[]), Glyphs::Ascii);
    }

    #[test]
    fn the_number_of_colours_is_the_terminals() {
        let depth = |variables: &[(&str, &str)]| with(Tone::Auto, variables).depth;
        assert_eq!(depth(&[("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "linux")]), Depth::Sixteen);
    }
}
