//! The `[grid]` table: axes, and the points on them.
//!
//! An axis is a field with a list of values, or a list of tables whose fields vary together.
//! Each field of an axis is a column of the table that comes of it, but for those of tables
//! with a `label`, which stands for all of them that are neither tuned nor replicates.

use std::fmt;

use crate::config::{Complaint, Entry, Node, Outcome};

/// A sweep with more runs is a mistake.
const MOST_RUNS: usize = 10_000;

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its values stand beside each other in the table.
    Reported,
    /// One of its values is chosen on the validation split.
    Tuned,
    /// Runs that differ in it alone are repetitions, such as those of several seeds.
    Replicate,
}

/// Something that varies: a field by its dotted path, or an axis whose points have labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The field's path or the axis's name.
    pub name: String,
    /// What it is for.
    pub role: Role,
}

/// A value as tables show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// The value in words.
    pub text: String,
    /// The number that it is, if it is one.
    pub number: Option<f64>,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// A field of a point on an axis.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) path: Vec<String>,
    pub(super) entry: Entry,
}

impl Field {
    pub(super) fn name(&self) -> String {
        self.path.join(".")
    }

    fn value(&self) -> Value {
        value(&self.entry.value)
    }
}

/// Fields that have their values together.
#[derive(Debug, Clone)]
pub(super) struct Point {
    label: Option<String>,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Clone)]
pub(super) struct Axis {
    name: String,
    /// Keys in the file, for complaints.
    keys: Vec<String>,
    points: Vec<Point>,
}

/// The axes of a sweep, in the order of the file.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    pub(super) axes: Vec<Axis>,
}

impl Grid {
    /// Reads the table `[grid]`.
    pub(super) fn read(table: &Node) -> Outcome<Self> {
        let mut axes = Vec::new();
        let Node::Table(entries) = table else {
            return Err(Complaint::new(
                "grid",
                "must be a table of fields and lists",
            ));
        };
        gather(entries, &["grid".to_owned()], &[], &mut axes)?;
        let grid = Self { axes };
        if grid.axes.is_empty() {
            return Err(Complaint::new(
                "grid",
                "is empty; list values of at least one field",
            ));
        }
        grid.check_size()?;
        grid.check_fields()?;
        Ok(grid)
    }

    fn check_size(&self) -> Outcome {
        let sizes = self.axes.iter().map(|axis| axis.points.len());
        let runs = sizes.fold(1_usize, usize::saturating_mul);
        if runs > MOST_RUNS {
            let message = format!("makes {runs} runs; at most {MOST_RUNS} are made");
            return Err(Complaint::new("grid", message));
        }
        Ok(())
    }

    /// Checks that no field is on two axes, and none is the sweep's own.
    fn check_fields(&self) -> Outcome {
        for (at, axis) in self.axes.iter().enumerate() {
            for name in axis.field_names() {
                if name == "name" || name == "output" || name.starts_with("output.") {
                    let message = format!("`{name}` is what the sweep itself decides; remove it");
                    return Err(Complaint::whole(message).below(&axis.keys));
                }
                let inside = |other: &String| {
                    *other == name
                        || other.starts_with(&format!("{name}."))
                        || name.starts_with(&format!("{other}."))
                };
                let earlier = self.axes[..at].iter();
                if let Some(other) = earlier.flat_map(Axis::field_names).find(inside) {
                    let message =
                        format!("`{name}` varies here and as `{other}` before; remove one");
                    return Err(Complaint::whole(message).below(&axis.keys));
                }
            }
        }
        Ok(())
    }

    /// Every field that varies.
    pub(super) fn fields(&self) -> Vec<String> {
        self.axes.iter().flat_map(Axis::field_names).collect()
    }

    /// The columns, with the role of each field.
    pub(super) fn columns(&self, role: impl Fn(&str) -> Role) -> Outcome<Vec<Column>> {
        let mut columns = Vec::new();
        for axis in &self.axes {
            axis.check_labels(&role)?;
            if axis.is_labelled() {
                columns.push(Column {
                    name: axis.name.clone(),
                    role: Role::Reported,
                });
            }
            for name in axis.field_names() {
                let role = role(&name);
                if role != Role::Reported || !axis.is_labelled() {
                    columns.push(Column { name, role });
                }
            }
        }
        Ok(columns)
    }

    /// A point of each axis, for every run: the first axis varies slowest.
    pub(super) fn runs(&self) -> Vec<Vec<&Point>> {
        let mut runs = vec![Vec::new()];
        for axis in &self.axes {
            let longer = runs.iter().flat_map(|run: &Vec<&Point>| {
                let with = |point| [run.as_slice(), &[point]].concat();
                axis.points.iter().map(with)
            });
            runs = longer.collect();
        }
        runs
    }
}

impl Axis {
    /// The fields of its points, in the order they are first met.
    fn field_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for field in self.points.iter().flat_map(|point| &point.fields) {
            if !names.contains(&field.name()) {
                names.push(field.name());
            }
        }
        names
    }

    fn is_labelled(&self) -> bool {
        self.points.iter().any(|point| point.label.is_some())
    }

    /// Checks that a label says what it stands for.
    fn check_labels(&self, role: &impl Fn(&str) -> Role) -> Outcome {
        if !self.is_labelled() {
            return Ok(());
        }
        let complain = |at: usize, message: &str| {
            let complaint = Complaint::whole(message).within(&at.to_string());
            Err(complaint.below(&self.keys))
        };
        let shown = |point: &Point| -> Vec<(String, String)> {
            let fields = point.fields.iter();
            let shown = fields.filter(|field| role(&field.name()) == Role::Reported);
            let mut shown: Vec<_> = shown.map(|f| (f.name(), f.value().text)).collect();
            shown.sort();
            shown
        };
        for (at, point) in self.points.iter().enumerate() {
            if point.label.is_none() {
                return complain(at, "has no `label`, which others of this list have");
            }
            let mut earlier = self.points[..at].iter();
            if let Some(same) = earlier.find(|other| other.label == point.label)
                && shown(same) != shown(point)
            {
                let message = "has the label of an earlier one but other fields; give it its own";
                return complain(at, message);
            }
        }
        Ok(())
    }
}

/// The value that a run, given by its points, has in a column.
pub(super) fn value_of(grid: &Grid, run: &[&Point], column: &Column) -> Option<Value> {
    for (axis, point) in grid.axes.iter().zip(run) {
        if axis.name == column.name
            && let Some(label) = &point.label
        {
            let text = label.clone();
            return Some(Value { text, number: None });
        }
        let mut fields = point.fields.iter();
        if let Some(field) = fields.find(|field| field.name() == column.name) {
            return Some(field.value());
        }
    }
    None
}

/// Reads the axes of a table within `[grid]`: `keys` as written, `path` of the field.
fn gather(entries: &[Entry], keys: &[String], path: &[String], axes: &mut Vec<Axis>) -> Outcome {
    for entry in entries {
        let keys = [keys, std::slice::from_ref(&entry.key)].concat();
        let inner: Vec<String> = entry.key.split('.').map(str::to_owned).collect();
        let path = [path, &inner].concat();
        match &entry.value {
            Node::Table(entries) => gather(entries, &keys, &path, axes)?,
            Node::List(values) => {
                let points = points(values, &path).map_err(|complaint| complaint.below(&keys))?;
                axes.push(Axis {
                    name: path.join("."),
                    keys,
                    points,
                });
            }
            _ => {
                let message =
                    "must be a list of values; a field with one value belongs outside [grid]";
                return Err(Complaint::whole(message).below(&keys));
            }
        }
    }
    Ok(())
}

fn points(values: &[Entry], path: &[String]) -> Outcome<Vec<Point>> {
    let is_table = |entry: &&Entry| matches!(entry.value, Node::Table(_));
    match values.iter().filter(is_table).count() {
        _ if values.is_empty() => Err(Complaint::whole("is empty; list at least one value")),
        0 => Ok(values.iter().map(|entry| single(entry, path)).collect()),
        tables if tables == values.len() => values.iter().map(together).collect(),
        _ => Err(Complaint::whole(
            "mixes tables and values; use tables for fields that vary together, values for one field",
        )),
    }
}

fn single(entry: &Entry, path: &[String]) -> Point {
    let field = Field {
        path: path.to_vec(),
        entry: entry.clone(),
    };
    Point {
        label: None,
        fields: vec![field],
    }
}

fn together(entry: &Entry) -> Outcome<Point> {
    let mut point = Point {
        label: None,
        fields: Vec::new(),
    };
    leaves(&entry.value, &[], &mut point.fields);
    if let Some(at) = point.fields.iter().position(|f| f.path == ["label"]) {
        let Node::Text(label) = point.fields.remove(at).entry.value else {
            return Err(Complaint::new(
                &format!("{}.label", entry.key),
                "must be a text",
            ));
        };
        point.label = Some(label);
    }
    if point.fields.is_empty() {
        return Err(Complaint::whole("names no field").within(&entry.key));
    }
    Ok(point)
}

fn leaves(node: &Node, path: &[String], fields: &mut Vec<Field>) {
    let Node::Table(entries) = node else {
        return;
    };
    for entry in entries {
        let inner: Vec<String> = entry.key.split('.').map(str::to_owned).collect();
        let path = [path, &inner].concat();
        if matches!(entry.value, Node::Table(_)) {
            leaves(&entry.value, &path, fields);
        } else {
            let entry = entry.clone();
            fields.push(Field { path, entry });
        }
    }
}

fn value(node: &Node) -> Value {
    let text = |text: String| Value { text, number: None };
    match node {
        Node::Integer(number) => Value {
            text: number.to_string(),
            number: Some(*number as f64),
        },
        Node::Float(number) => Value {
            text: float(*number),
            number: Some(*number),
        },
        Node::Boolean(value) => text(value.to_string()),
        Node::Text(word) | Node::Date(word) | Node::TooLarge(word) => text(word.clone()),
        Node::Bare(value, _) => self::value(value),
        Node::List(entries) | Node::Table(entries) => {
            let parts: Vec<String> = entries.iter().map(|e| value(&e.value).text).collect();
            text(parts.join(" "))
        }
    }
}

/// As few digits as tell the number: `0.001`, `1e-5`, `20`.
fn float(number: f64) -> String {
    let text = format!("{number:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
