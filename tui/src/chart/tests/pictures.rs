//! What charts look like, at the three sizes that the dashboard is made for.

use super::*;

#[test]
fn a_chart_looks_as_before() {
    let view = usual(1240);
    let braille = ChartStyle::plain(Glyphs::Unicode);
    let mut chart = both(&view, &braille);
    insta::assert_snapshot!("80x24", text(&chart, 80, 24));
    chart.smoothing = 0.9;
    insta::assert_snapshot!("120x40_smooth", text(&chart, 120, 40));
    insta::assert_snapshot!("200x60_smooth", text(&chart, 200, 60));
    chart.cursor = Some(500.0);
    chart.y = YAxis::Log;
    chart.outliers = Outliers::Clip;
    insta::assert_snapshot!("80x24_log_clip_cursor", text(&chart, 80, 24));
    chart.y = YAxis::Linear;
    chart.axis = Axis::RelativeTime;
    chart.window.zoom(0.1, 1.0, chart.extent().unwrap());
    chart.cursor = None;
    insta::assert_snapshot!("80x24_zoom", text(&chart, 80, 24));
}

#[test]
fn a_chart_without_symbols_is_plain_ascii() {
    let view = usual(1240);
    let style = ChartStyle::plain(Glyphs::Ascii);
    let mut chart = both(&view, &style);
    chart.smoothing = 0.9;
    chart.cursor = Some(300.0);
    let drawn = text(&chart, 80, 24);
    assert!(drawn.is_ascii(), "{drawn}");
    insta::assert_snapshot!("80x24_ascii", drawn);
}

#[test]
fn runs_are_told_apart_by_markers() {
    let (first, second) = (
        usual(600),
        run((1..600).map(|at| 1.0 / f64::from(at) + 0.3)),
    );
    let style = ChartStyle::plain(Glyphs::Unicode);
    let mut chart = loss(&first, &style).with(&second, "train/loss", "baseline", CurveKind::Line);
    chart.smoothing = 0.9;
    let drawn = text(&chart, 80, 24);
    assert!(
        drawn.contains("train ●") && drawn.contains("baseline ◆"),
        "{drawn}"
    );
    insta::assert_snapshot!("80x24_two_runs", drawn);
}

#[test]
fn a_jump_of_one_step_and_a_nan_are_on_the_screen() {
    let style = ChartStyle::plain(Glyphs::Unicode);
    let losses = (0..100_000).map(|at| match at {
        30_000 => 9.0,
        70_000 => f64::NAN,
        _ => 1.0 / (1.0 + f64::from(at) / 5000.0),
    });
    let view = run(losses);
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let drawn = text(&loss(&view, &style), width, height);
        let lines: Vec<&str> = drawn.lines().collect();
        let top: Vec<char> = lines[1].chars().collect();
        let dots = top
            .iter()
            .filter(|c| ('\u{2801}'..='\u{28ff}').contains(*c));
        assert_eq!(dots.count(), 1, "the jump reaches the top, alone: {drawn}");
        let axis = lines[lines.len() - 3];
        assert_eq!(axis.matches('!').count(), 1, "{drawn}");
        assert!(lines[0].contains("! 1"), "{drawn}");
    }
}

#[test]
fn a_run_of_nothing_but_nan_says_so() {
    let style = ChartStyle::plain(Glyphs::Unicode);
    let view = run([f64::NAN; 50]);
    let drawn = text(&loss(&view, &style), 80, 24);
    assert!(drawn.contains("! 50") && drawn.contains("└!"), "{drawn}");
}

#[test]
fn values_up_to_zero_are_marked_on_a_logarithmic_axis() {
    let style = ChartStyle::plain(Glyphs::Unicode);
    let view = run([1.0, 0.1, 0.0, -1.0, 0.01]);
    let mut chart = loss(&view, &style);
    chart.y = YAxis::Log;
    let drawn = text(&chart, 80, 24);
    assert_eq!(drawn.matches('▾').count(), 2, "{drawn}");
    assert!(drawn.contains("2 up to 0"), "{drawn}");
}

#[test]
fn no_size_and_no_values_are_too_much() {
    let style = ChartStyle::plain(Glyphs::Unicode);
    let views = [
        RunView::default(),
        run([1.0]),
        run([f64::MAX, f64::MIN, 5e-324]),
        run([f64::NAN, f64::INFINITY]),
        usual(60),
    ];
    for view in &views {
        for y in [YAxis::Linear, YAxis::Log] {
            let mut chart = both(view, &style);
            (chart.y, chart.outliers, chart.cursor) = (y, Outliers::Clip, Some(3.0));
            for (width, height) in (0..40).flat_map(|w| [0, 1, 3, 5, 6, 9, 30].map(|h| (w, h))) {
                text(&chart, width, height);
            }
        }
    }
}

#[test]
fn a_plain_style_has_no_colours() {
    let style = ChartStyle::plain(Glyphs::Unicode);
    let view = usual(600);
    let mut chart = both(&view, &style);
    chart.cursor = Some(100.0);
    let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
    chart.draw(buffer.area, &mut buffer);
    let reset = ratatui::style::Color::Reset;
    assert!(
        buffer
            .content
            .iter()
            .all(|cell| cell.fg == reset && cell.bg == reset)
    );
}
