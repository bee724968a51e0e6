//! Where methods can act.

use super::*;

#[test]
fn rows_and_adapters_have_places_of_their_own() {
    let said = |kind: &str, place: &str| {
        let text = format!("kind = '{kind}'\nplacement = '{place}'");
        let config: MethodConfig = toml::from_str(&text).unwrap();
        config.resolve().map_err(|error| error.to_string())
    };
    for place in ["paper", "adapterhub", "peft"] {
        assert!(said("prefix", place).is_ok(), "{place}");
    }
    for (kind, places, refused) in [
        ("prompt", ["adapterhub", "peft"], "paper"),
        ("ia3", ["paper", "adapterhub"], "peft"),
        ("compacter", ["paper", "adapterhub"], "peft"),
    ] {
        assert!(
            places.iter().all(|place| said(kind, place).is_ok()),
            "{kind}"
        );
        let error = said(kind, refused).unwrap_err();
        let named = error.contains("method.placement") && error.contains(places[1]);
        assert!(named, "{error}");
    }
}
