//! What every method would train on the run's model, in closed form.

use std::fs;
use std::path::Path;

use compacter_core::config::{MethodConfig, MethodKind, RunConfig};
use compacter_core::embedded;
use compacter_core::model::{Family, ModelShape};
use compacter_core::peft::count::count;

/// A larger `config.json` is no model's.
const LARGEST: u64 = 1 << 20;

/// A method on a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Method {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether it is the run's.
    pub(crate) own: bool,
    /// What it trains, without a task head; or why it cannot be used.
    pub(crate) trains: Result<usize, String>,
}

/// Every method on a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Methods {
    /// The methods, the most expensive first.
    pub(crate) rows: Vec<Method>,
    /// Parameters of the plain model.
    pub(crate) total: usize,
}

impl Methods {
    /// Every method on the model that a configuration names.
    ///
    /// # Errors
    /// Says why the model's sizes are not known here.
    pub(crate) fn of(config: &str) -> Result<Self, String> {
        let config = RunConfig::parse(Path::new("config.toml"), config, &[]);
        let config = config.map_err(|_| "the record has no usable configuration".to_owned())?;
        let shape = shape(&config.model.path)?;
        let own = &config.method;
        let fits = |kind: &MethodKind| *kind != MethodKind::Head || shape.family != Family::T5;
        let rows = MethodKind::ALL.into_iter().filter(fits).map(|kind| Method {
            name: kind.as_str(),
            own: kind == own.kind,
            trains: trains(kind, own, &shape),
        });
        Ok(Self {
            rows: rows.collect(),
            total: shape.total_parameters(),
        })
    }
}

/// What a method trains: the run's own as it is, another one with its defaults, but for the
/// run's bottleneck where it has one too.
fn trains(kind: MethodKind, own: &MethodConfig, shape: &ModelShape) -> Result<usize, String> {
    let counted = |config: &MethodConfig| {
        let method = config.resolve();
        let counted = method.and_then(|method| count(&method, shape));
        counted
            .map(|count| count.trainable)
            .map_err(|error| error.to_string())
    };
    if kind == own.kind {
        return counted(own);
    }
    let default = MethodConfig::from_kind(kind);
    let mut like = default.clone();
    like.reduction_factor = own.reduction_factor;
    counted(&like).or_else(|_| counted(&default))
}

/// The sizes of a model that is known by name, embedded, or in a folder on this machine.
fn shape(path: &str) -> Result<ModelShape, String> {
    if let Some(shape) = ModelShape::known(path) {
        return Ok(shape);
    }
    let file = match path.strip_prefix("embedded:") {
        Some(name) => embedded_config(name),
        None => config_file(Path::new(path)),
    };
    let missing = "is not on this machine: what other methods need is not known";
    let text = file.ok_or_else(|| {
        let shown = path.chars().filter(|c| !c.is_control()).take(60);
        format!("the model {} {missing}", shown.collect::<String>())
    })?;
    ModelShape::from_config_json(&text, Path::new(path)).map_err(|error| error.to_string())
}

fn embedded_config(name: &str) -> Option<String> {
    let model = embedded::MODELS.iter().find(|model| model.name == name)?;
    let text = model.file("config.json")?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// A model's `config.json`. The path is from a record: nothing but a small file is read.
fn config_file(folder: &Path) -> Option<String> {
    let path = folder.join("config.json");
    let metadata = fs::metadata(&path).ok()?;
    let usual = metadata.is_file() && metadata.len() <= LARGEST;
    usual.then(|| fs::read_to_string(&path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn of(model: &str) -> Result<Methods, String> {
        let config = format!("name = 'a'\nmodel.path = '{model}'\ntask.name = 't'\n");
        Methods::of(&config)
    }

    #[test]
    fn known_and_embedded_models_are_counted_and_others_are_told() {
        let methods = of("t5-base").unwrap();
        assert_eq!(methods.total, 222_903_552);
        let named = |name: &str| methods.rows.iter().find(|row| row.name == name).unwrap();
        assert_eq!(named("full").trains, Ok(222_903_552));
        assert!(named("compacter").own && !named("lora").own);
        assert!(methods.rows.iter().all(|row| row.name != "head"));
        assert_eq!(of("embedded:t5-nano").unwrap().total, 4_082_880);
        let told = of("/no/such/folder").unwrap_err();
        assert!(told.contains("not on this machine"), "{told}");
        assert!(Methods::of("nothing").is_err());
    }
}
