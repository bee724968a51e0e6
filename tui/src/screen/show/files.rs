//! What leaves the screen: panels as files, values on the clipboard.

use std::io::{self, stdout};
use std::path::{Path, PathBuf};

use compacter_core::Result;
use compacter_core::atomic;
use crossterm::clipboard::CopyToClipboard;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::execute;
use ratatui::layout::Rect;

use super::Screen;
use crate::screen::draw::draw;
use crate::screen::layout::Parts;
use crate::screen::panel::Format;

/// Puts text on the clipboard of the terminal's machine, which may be far away (OSC 52).
pub(super) fn copy(text: &str) -> io::Result<()> {
    execute!(stdout(), CopyToClipboard::to_clipboard_from(text))
}

impl Screen {
    /// Writes the focused panel to a file. The name's ending says what is written; without a
    /// name everything that the panel has is, beside each other in the present folder.
    pub(super) fn export(&mut self, name: &str) {
        match self.exported(name) {
            Ok(files) => {
                let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
                self.app.tell(format!("wrote {}", names.join(", ")), false);
            }
            Err(message) => self.app.tell(message, true),
        }
    }

    fn exported(&mut self, name: &str) -> Result<Vec<PathBuf>, String> {
        let stem = self.app.export_name();
        let written = |path: PathBuf, text: String| {
            let done = atomic::write(&path, text.as_bytes());
            done.map(|()| path).map_err(|error| error.to_string())
        };
        let data = |format| self.app.export(format);
        let (csv, svg) = (data(Format::Csv), data(Format::Svg));
        if !name.is_empty() {
            let path = PathBuf::from(name);
            let ending = path.extension().and_then(|ending| ending.to_str());
            let text = match ending {
                Some("csv") => csv.ok_or("this panel has no table to write: name a .txt file")?,
                Some("svg") => svg.ok_or("this panel has no curves to write: name a .txt file")?,
                Some("txt") => self.panel_as_text(),
                _ => return Err(format!("{name}: name a .csv, .svg or .txt file")),
            };
            return Ok(vec![written(path, text)?]);
        }
        let given = [("csv", csv), ("svg", svg)];
        let mut files = Vec::new();
        for (ending, text) in given {
            if let Some(text) = text {
                files.push(written(
                    Path::new(&format!("{stem}.{ending}")).into(),
                    text,
                )?);
            }
        }
        if files.is_empty() {
            let text = self.panel_as_text();
            files.push(written(PathBuf::from(format!("{stem}.txt")), text)?);
        }
        Ok(files)
    }

    /// The focused panel as it looks.
    fn panel_as_text(&mut self) -> String {
        let area = self.app.area;
        let drawn = Terminal::new(TestBackend::new(area.width, area.height));
        let Ok(mut terminal) = drawn;
        let Ok(_frame) = terminal.draw(|frame| draw(frame, &mut self.app));
        let panels = self.app.panels(Parts::of(area).body);
        let focused = panels
            .into_iter()
            .find(|(panel, _)| *panel == self.app.focus);
        let area = focused.map_or(Rect::ZERO, |(_, area)| area);
        let buffer = terminal.backend().buffer();
        let row = |row: Rect| {
            let cells = row.columns().map(|cell| buffer[(cell.x, cell.y)].symbol());
            let text: String = cells.collect();
            text.trim_end().to_owned() + "\n"
        };
        area.rows().map(row).collect()
    }
}
