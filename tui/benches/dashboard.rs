//! What the dashboard's data costs: appending, drawing, reading a long record.
//!
//! `cargo bench --bench dashboard` prints a table. The record has a million events and takes
//! about 300 MB in the temporary folder while the program runs; `EVENTS` makes it shorter.
#![expect(clippy::print_stdout, reason = "it prints its figures")]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use compacter_core::event::{Event, Kind, SCHEMA, Started, Step};
use compacter_core::view::{RunView, Series, Source};
use compacter_tui::chart::{Chart, ChartStyle, CurveKind, Glyphs, Outliers, YAxis};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` comes without it, and is not here to wait.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let events = std::env::var("EVENTS").map_or(Ok(1_000_000), |text| text.parse())?;
    append();
    draw();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    write(&path, events)?;
    read(&path, events)
}

fn step(at: u64) -> Event {
    let x = at as f64;
    let noise = (x * 12.9898).sin() * 0.05;
    let loss = if at == 41_234 {
        9.0
    } else {
        1.0 / (1.0 + x / 50_000.0) + noise
    };
    Event {
        v: SCHEMA,
        run: "sst2-compacter".to_owned(),
        step: at,
        t: 1_795_000_000.123_456 + 0.317 * x,
        elapsed: 0.317 * x,
        kind: Kind::Step(Step {
            loss: if at == 77_777 { f64::NAN } else { loss },
            learning_rate: 3e-3 * (1.0 - x / 2e6),
            gradient_norm: 0.6 + noise,
            epoch: x / 2105.0,
            total_steps: 1_000_000,
            tokens: 300 + usize::try_from(at % 97).unwrap_or(0),
            seconds: 0.29 + noise / 10.0,
            memory: Some(1_900_000_000 + at),
            peak_memory: Some(1_900_000_000 + at),
            skipped: at == 77_777,
        }),
    }
}

fn append() {
    let mut series = Series::default();
    let points = 4_000_000_u64;
    let start = Instant::now();
    (0..points).for_each(|at| series.push(at, (at as f64).sqrt()));
    let each = start.elapsed().as_secs_f64() * 1e9 / points as f64;
    println!(
        "append, one series       {each:8.1} ns, {} KiB",
        series.bytes() >> 10
    );

    let events: Vec<Event> = (1..=200_000).map(step).collect();
    let mut view = RunView::default();
    let (start, count) = (Instant::now(), events.len());
    for event in events {
        view.push(event);
    }
    let each = start.elapsed().as_secs_f64() * 1e9 / count as f64;
    println!("push, one step           {each:8.1} ns");
}

fn draw() {
    let mut view = RunView::default();
    (1..=100_000).for_each(|at| view.push(step(at)));
    let style = ChartStyle::plain(Glyphs::Unicode);
    let mut chart = Chart::new("loss", &style)
        .with(&view, "train/loss", "train", CurveKind::Line)
        .with_marks(&view);
    chart.smoothing = 0.98;
    for (name, y, outliers) in [
        ("draw 200x60", YAxis::Linear, Outliers::Show),
        ("draw 200x60, log, clipped", YAxis::Log, Outliers::Clip),
    ] {
        (chart.y, chart.outliers) = (y, outliers);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 200, 60));
        let (start, times) = (Instant::now(), 500);
        for _ in 0..times {
            buffer.reset();
            chart.draw(buffer.area, &mut buffer);
        }
        let each = start.elapsed().as_secs_f64() * 1e6 / f64::from(times);
        println!("{name:<25}{each:8.1} µs");
    }
}

fn write(path: &Path, events: u64) -> Result<(), Box<dyn Error>> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut start = step(0);
    start.kind = Kind::Started(Started {
        config: "name = 'sst2-compacter'\n".to_owned(),
        version: "0.1.0".to_owned(),
        device: "cpu".to_owned(),
        features: Vec::new(),
        step_form: None,
        total_steps: events,
        groups: Vec::new(),
        trainable: 14_320,
        total: 22_713_216,
    });
    file.write_all(start.to_line().as_bytes())?;
    for at in 1..events {
        file.write_all(step(at).to_line().as_bytes())?;
    }
    file.flush()?;
    Ok(())
}

fn read(path: &Path, events: u64) -> Result<(), Box<dyn Error>> {
    let megabytes = std::fs::metadata(path)?.len() as f64 / 1e6;
    println!("record of {events} events, {megabytes:.0} MB");
    let start = Instant::now();
    let mut source = Source::open(path)?;
    let style = ChartStyle::plain(Glyphs::Unicode);
    let mut buffer = Buffer::empty(Rect::new(0, 0, 200, 60));
    let loss = |view| Chart::new("loss", &style).with(view, "train/loss", "train", CurveKind::Line);
    loss(source.view()).draw(buffer.area, &mut buffer);
    println!(
        "first screen             {:8.3} s",
        start.elapsed().as_secs_f64()
    );
    source.settle()?;
    println!(
        "whole history            {:8.3} s",
        start.elapsed().as_secs_f64()
    );
    let points = source.view().scalars.get("train/loss").map(Series::points);
    println!("points of the loss       {:8}", points.unwrap_or(0));
    if let Some(peak) = peak() {
        println!("peak of resident memory  {peak:8} kB, the whole program");
    }
    Ok(())
}

/// The most memory that was resident at once, as Linux tells it, in kB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
