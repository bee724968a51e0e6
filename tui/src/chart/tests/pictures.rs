//! Pictures.
use super::*;

#[test]
fn dump() {
    let view = usual(1240);
    for glyphs in [Glyphs::Braille, Glyphs::Ascii] {
        let style = ChartStyle::plain(glyphs);
        let mut chart = both(&view, &style);
        for smoothing in [0.0, 0.9] {
            chart.smoothing = smoothing;
            for (w, h) in [(80, 14), (120, 30), (200, 50)] {
                eprintln!("{}", text(&chart, w, h));
            }
        }
        chart.y = YAxis::Log;
        chart.outliers = Outliers::Clip;
        chart.cursor = Some(500.0);
        eprintln!("{}", text(&chart, 80, 18));
        chart.window.zoom(0.2, 1.0, chart.extent().unwrap());
        chart.axis = Axis::WallTime;
        eprintln!("{}", text(&chart, 80, 18));
    }
}
