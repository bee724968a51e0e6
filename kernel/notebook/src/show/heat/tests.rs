//! Heat maps of matrices.
#![expect(clippy::unwrap_used, reason = "tests")]

use candle_core::{DType, Device};

use super::map::trimmed;
use super::*;
use crate::show::colour::{NEGATIVE, POSITIVE, css};

fn tensor<const ROWS: usize>(rows: [[f64; 2]; ROWS]) -> Tensor {
    Tensor::new(&rows, &Device::Cpu).unwrap()
}

#[test]
fn signs_have_their_colours_and_small_maps_their_numbers() {
    let heat = of("signs", [("A", tensor([[1.0, -0.5], [0.0, 0.25]]))]).unwrap();
    let svg = heat.svg();
    for part in [
        css(POSITIVE),
        css(NEGATIVE),
        ">-0.5<".to_owned(),
        ">0.25<".to_owned(),
    ] {
        assert!(svg.contains(&part), "{part}: {svg}");
    }
    assert_eq!(svg.matches("<path").count(), 3, "{svg}");
    assert_eq!(heat.bundle().text(), "signs\nA: 2 × 2, to 1");
}

#[test]
fn of_a_stack_each_matrix_is_a_map() {
    let stack = Tensor::zeros((12, 2, 3), DType::F32, &Device::Cpu).unwrap();
    let heat = of("slow weights", [("A", &stack)]).unwrap();
    let names: Vec<&str> = heat.maps.iter().map(|map| map.name.as_str()).collect();
    assert_eq!((names[0], names[11], names.len()), ("A₁", "A₁₂", 12));
    assert!(!heat.svg().contains("<path"), "zeros have no colour");
}

#[test]
fn the_matrices_of_a_tensor_stand_on_one_line_where_that_is_possible() {
    let stack = Tensor::ones((4, 4, 4), DType::F32, &Device::Cpu).unwrap();
    let svg = of("two stacks", [("A", &stack), ("B", &stack)])
        .unwrap()
        .svg();
    let lines: Vec<&str> = svg.split("translate(").skip(1).collect();
    let down = |name: &str| {
        let at = lines.iter().position(|part| part.contains(name)).unwrap();
        lines[at].split([' ', ')']).nth(1).unwrap().to_owned()
    };
    assert_eq!((down(">A₁<"), down(">B₁<")), (down(">A₄<"), down(">B₄<")));
    assert_ne!(down(">A₁<"), down(">B₁<"));
}

#[test]
fn one_scale_makes_maps_comparable() {
    let maps = [
        ("half", tensor([[0.5, 0.5]])),
        ("whole", tensor([[1.0, 1.0]])),
    ];
    let heat = of("", maps).unwrap().scale(1.0);
    let svg = heat.svg();
    assert!(svg.contains("fill-opacity=\"0.42\"") || svg.contains("fill-opacity=\"0.43\""));
    assert!(svg.contains("fill-opacity=\"0.85\""), "{svg}");
    assert!(svg.contains(">1 × 2<"), "{svg}");
}

#[test]
fn a_large_matrix_stays_small_and_keeps_what_stands_out() {
    let mut values: Vec<f64> = (0..768 * 500).map(|at| f64::from(at).sin()).collect();
    values[300 * 500 + 77] = -9.0;
    let large = Tensor::from_vec(values, (768, 500), &Device::Cpu).unwrap();
    let heat = of("large", [("W", &large)]).unwrap();
    assert!(heat.svg().len() < 250_000, "{}", heat.svg().len());
    assert!(heat.maps[0].pooled().values.contains(&-9.0));
}

#[test]
fn what_is_no_matrix_is_refused_with_what_to_do() {
    let deep = Tensor::zeros((1, 1, 1, 1), DType::F32, &Device::Cpu).unwrap();
    let text = of("", [("x", &deep)]).unwrap_err().to_string();
    assert!(text.contains("`x` has the shape [1, 1, 1, 1]"), "{text}");
    let empty = Tensor::zeros((0, 2), DType::F32, &Device::Cpu).unwrap();
    assert!(of("", [("x", &empty)]).is_err());
}

#[test]
fn numbers_in_cells_are_short() {
    let texts = [1.0, -0.5, 0.127, 12.34, -100.0, 1e-6, -0.0, f64::NAN].map(trimmed);
    let expected = ["1", "-0.5", "0.13", "12.3", "-100", "1e-6", "0", "NaN"];
    assert_eq!(texts, expected);
}
