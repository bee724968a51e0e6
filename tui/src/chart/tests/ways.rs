//! Windows, scales, the crosshair, and files.

use super::*;

fn near(a: (f64, f64), b: (f64, f64)) -> bool {
    (a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9
}

#[test]
fn a_window_zooms_about_its_right_edge_while_it_follows() {
    let extent = (0.0, 1000.0);
    let mut window = Window::default();
    assert!(near(window.range(extent), extent));
    window.zoom(0.5, 0.2, extent);
    assert!(near(window.range(extent), (500.0, 1000.0)));
    assert!(
        near(window.range((0.0, 1200.0)), (700.0, 1200.0)),
        "it goes with the newest point"
    );
    window.pan(-0.5, extent);
    assert!(near(window.range(extent), (250.0, 750.0)) && !window.follows());
    assert!(
        near(window.range((0.0, 1200.0)), (250.0, 750.0)),
        "it stays"
    );
    window.zoom(0.5, 0.5, extent);
    assert!(near(window.range(extent), (375.0, 625.0)));
    window.pan(-9.0, extent);
    assert!(
        near(window.range(extent), (0.0, 250.0)),
        "not beyond the start"
    );
    window.pan(9.0, extent);
    assert!(window.follows(), "at the newest point it follows again");
    window.zoom(100.0, 0.5, extent);
    assert_eq!(window, Window::default());
}

#[test]
fn a_window_on_a_single_point_has_a_width() {
    let window = Window::default();
    assert!(near(window.range((7.0, 7.0)), (7.0, 8.0)));
}

#[test]
fn a_logarithmic_axis_puts_decades_at_equal_distances() {
    let scale = Scale::holding(YAxis::Log, [1e-4, 1.0, -3.0, 0.0, f64::NAN].into_iter());
    for (value, place) in [(1e-4, 0.0), (1e-2, 0.5), (1.0, 1.0)] {
        assert!((scale.place(value).unwrap() - place).abs() < 1e-12);
        assert!((scale.value(place) / value - 1.0).abs() < 1e-12);
    }
    assert_eq!(scale.place(0.0), None);
    assert_eq!(scale.place(f64::NAN), None);
}

#[test]
fn scales_bear_every_finite_value() {
    for values in [
        vec![],
        vec![0.0],
        vec![-3.0],
        vec![f64::MAX, f64::MIN],
        vec![5e-324, 0.0],
    ] {
        for kind in [YAxis::Linear, YAxis::Log] {
            for scale in [
                Scale::holding(kind, values.iter().copied()),
                Scale::clipping(kind, values.iter().copied()),
            ] {
                let ends = scale.ends();
                assert!(
                    ends.0.is_finite() && ends.0 < ends.1,
                    "{values:?}: {ends:?}"
                );
                for value in &values {
                    assert!(scale.place(*value).is_none_or(f64::is_finite));
                }
            }
        }
    }
}

#[test]
fn clipping_counts_what_is_outside() {
    let style = ChartStyle::plain(Glyphs::Unicode);
    let view = run((0..1000).map(|at| if at == 500 { 1e6 } else { f64::from(at % 10) }));
    let mut chart = loss(&view, &style);
    let top = |chart: &Chart<'_>| Picture::new(chart, 200).scale.ends().1;
    assert!(top(&chart) > 1e5);
    chart.outliers = Outliers::Clip;
    assert!(top(&chart) < 10.0);
    assert_eq!(Picture::new(&chart, 200).outside, 1);
}

#[test]
fn the_crosshair_finds_the_nearest_point_of_each_curve() {
    let style = ChartStyle::plain(Glyphs::Unicode);
    let view = usual(1200);
    let picture = Picture::new(&both(&view, &style), 4096);
    let found = picture.nearest(390.2);
    assert_eq!(
        found.iter().map(|n| (n.name, n.step)).collect::<Vec<_>>(),
        [("train", 390), ("eval", 400)]
    );
    let exact = view.last_eval("validation").unwrap();
    let last = picture.nearest(1e9);
    assert_eq!(last[1].value.to_bits(), exact.metrics["loss"].to_bits());
}

#[test]
fn a_smoothed_line_keeps_the_raw_one() {
    let style = ChartStyle::plain(Glyphs::Unicode);
    let view = run((0..100).map(|at| f64::from(at % 2)));
    let mut chart = loss(&view, &style);
    chart.smoothing = 0.9;
    let picture = Picture::new(&chart, 400);
    let trace = &picture.traces[0];
    assert!(trace.raw.iter().any(|c| c.last > 0.9) && trace.raw.iter().any(|c| c.last < 0.1));
    assert!((trace.smooth[99] - 0.5).abs() < 0.05);
    chart.smoothing = 0.0;
    assert!(Picture::new(&chart, 400).traces[0].smooth.is_empty());
}

#[test]
fn the_data_comes_as_csv() {
    let style = ChartStyle::plain(Glyphs::Unicode);
    let view = run([1.0, f64::NAN, 0.5]);
    let mut chart = loss(&view, &style);
    chart.axis = Axis::Tokens;
    chart.smoothing = 0.6;
    chart.curves[0].name = "a,b";
    let expected = "curve,step,tokens,min,max,mean,last,smoothed\n\
                    \"a,b\",1,300,1,1,1,1,1\n\
                    \"a,b\",3,900,0.5,0.5,0.5,0.5,0.6875\n";
    assert_eq!(csv(&chart), expected);
}

#[test]
fn the_picture_comes_as_svg() {
    let style = ChartStyle::plain(Glyphs::Unicode);
    let view = usual(1200);
    let mut chart = both(&view, &style);
    for y in [YAxis::Linear, YAxis::Log] {
        chart.y = y;
        let drawn = svg(&chart).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
        assert_eq!(drawn.matches("<circle").count(), 6, "an evaluation each");
        assert!(drawn.contains("polyline") && !drawn.contains("NaN"));
    }
    let empty = RunView::default();
    assert!(svg(&loss(&empty, &style)).is_ok());
}

#[test]
fn numbers_on_axes_are_short() {
    use super::super::label::short;
    let shown = [
        (0.8, 0.065, "0.80"),
        (12_345.0, 100.0, "12.3k"),
        (1.9e9, 1e8, "1.9G"),
        (3e-4, 1e-5, "3.0e-4"),
        (0.0, 1e-5, "0.00000"),
        (-1e-9, 0.1, "0.0"),
        (1e300, 1e299, "1.0e300"),
    ];
    for (value, apart, expected) in shown {
        assert_eq!(short(value, apart), expected);
    }
}
