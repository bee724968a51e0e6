use super::*;
use crate::show::colour;

#[test]
fn a_picture_of_a_hundred_thousand_points_is_small_and_keeps_a_jump() {
    let mut points: Vec<(f64, f64)> = (0..100_000)
        .map(|at| (f64::from(at), (f64::from(at) / 50.0).sin()))
        .collect();
    points[61_803].1 = 40.0;
    let chart = of("long", [("curve", points)]);
    let svg = chart.svg();
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
    let largest = chart.lines[0].pieces.iter().flatten().map(|point| point.1);
    assert!(largest.fold(0.0, f64::max) >= 40.0);
}

#[test]
fn values_that_are_not_finite_break_the_line_and_are_marked() {
    let points = vec![
        (0.0, 1.0),
        (1.0, f64::NAN),
        (2.0, 3.0),
        (3.0, f64::INFINITY),
    ];
    let chart = of("broken", [("curve", points)]);
    assert_eq!(chart.lines[0].pieces.len(), 2);
    let svg = chart.svg();
    assert!(svg.contains(&css(colour::BAD)), "{svg}");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    assert!(chart.text().contains("not finite: 2"));
}

#[test]
fn a_chart_of_nothing_is_an_empty_frame_in_the_page_s_colours() {
    let svg = of("nothing", [("curve", vec![(5.0, f64::NAN)])]).svg();
    assert!(svg.contains("currentColor"));
    assert!(!svg.contains(&hex(colour::INK)));
    assert!(!svg.contains("NaN"), "{svg}");
}

#[test]
fn names_of_others_are_escaped() {
    let html = of("<script>", [("<script>", vec![(0.0, 1.0)])]).html();
    assert!(!html.contains("<script>"), "{html}");
}

#[test]
fn means_are_drawn_with_their_spreads_beside_each_other() {
    let points = |up: f64| vec![(16.0, 0.6 + up, 0.05), (32.0, 0.7 + up, f64::NAN)];
    let chart = spreads("accuracy", [("a", points(0.0)), ("b", points(0.1))]).doubling("examples");
    let ((left, right), (low, high)) = chart.ranges();
    assert!(left < 4.0 && right > 5.0, "{left} {right}");
    assert!(low < 0.55 && high > 0.8, "{low} {high}");
    let svg = chart.svg();
    assert!(svg.contains(">16<") || svg.contains("\n16\n"), "{svg}");
    assert_eq!(svg.matches("<circle").count(), 4);
    assert!(!svg.contains("NaN"), "{svg}");
    assert!(
        chart.text().contains("a: 0.6000 ± 0.0500 at 16.0000"),
        "{}",
        chart.text()
    );
}
