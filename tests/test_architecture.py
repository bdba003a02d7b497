"""The drawing of docs/architecture.md, made executable."""

import ast
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("mpt", "tasks", "pipelines", "flows")

# Which of ours, and which third parties, a package may import. Adding a line is a decision.
MAY_IMPORT = {
    "mpt": {"numpy", "peft", "safetensors", "torch", "transformers"},
    "tasks": {"charset_normalizer", "datasets", "numpy", "pyarrow", "pydantic", "sacrebleu"}
    | {"scipy", "sklearn", "yaml"},
    "pipelines": {"mpt", "tasks"}
    | {"alembic", "attr", "fsspec", "matplotlib", "mlflow", "numpy", "openlineage", "pandas"}
    | {"psycopg", "pydantic", "sqlalchemy", "torch", "yaml"},
    "flows": {"mpt", "pipelines", "tasks"}
    | {"cyclopts", "httpx", "packaging", "prefect", "prefect_dask", "prefect_ray", "psutil"}
    | {"pydantic", "ray", "rich", "sqlalchemy", "torch"},
}
TRANSFORMERS = {
    "mpt.attention",
    "mpt.documents",
    "mpt.causal",
    "mpt.encoder_decoder",
    "mpt.fronts",
    "mpt.loading",
}
LONGEST = 250  # lines of a file


def modules():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), path


MODULES = dict(modules())


@cache
def tree(module):
    return ast.parse(MODULES[module].read_text())


def names(node, module):
    """Return the modules that an import statement names."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    assert node.level == 0, f"{module} has a relative import"
    inner = {f"{node.module}.{alias.name}" for alias in node.names}
    return {name if name in MODULES else node.module for name in inner}


def imports(module, nodes=None):
    statements = ast.walk(tree(module)) if nodes is None else nodes
    found = [
        names(one, module) for one in statements if isinstance(one, ast.Import | ast.ImportFrom)
    ]
    return set().union(*found)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_its_layer_may(package):
    own = [module for module in MODULES if module.split(".")[0] == package]
    assert own
    found = {name.split(".")[0] for module in own for name in imports(module)}
    assert found - sys.stdlib_module_names - {package} <= MAY_IMPORT[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_list_above_names_nothing_that_is_not_imported(package):
    own = [module for module in MODULES if module.split(".")[0] == package]
    found = {name.split(".")[0] for module in own for name in imports(module)}
    assert MAY_IMPORT[package] <= found


def test_transformers_is_imported_where_backbones_are_made():
    users = {m for m in MODULES if any(n.split(".")[0] == "transformers" for n in imports(m))}
    assert users == TRANSFORMERS


def test_peft_is_imported_for_baselines_only_and_late():
    users = {m for m in MODULES if any(n.split(".")[0] == "peft" for n in imports(m))}
    assert users == {"mpt.baseline"}
    early = imports("mpt.baseline", outside_functions(tree("mpt.baseline")))
    assert not any(name.split(".")[0] == "peft" for name in early)  # it takes a second or two


def test_no_import_goes_round_in_a_circle():
    graph = networkx.DiGraph()
    for module in MODULES:
        ours = {name for name in imports(module) if name in MODULES}
        graph.add_edges_from((module, name) for name in ours - {module})
    assert list(networkx.simple_cycles(graph)) == []
    assert graph.has_edge("pipelines.teach", "mpt.initial")  # the drawing is not empty


# What opens a connection or draws a number: never as a module is imported.
OPENERS = {
    *("create_engine", "connect", "open", "sessionmaker", "Session", "MlflowClient", "Client"),
    *("manual_seed", "seed", "set_tracking_uri", "Random", "Generator", "default_rng"),
    *("load", "from_pretrained", "getenv", "Settings", "Lineage", "Registry", "Store"),
}


def outside_functions(node):
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from outside_functions(child)


@pytest.mark.parametrize("module", MODULES)
def test_importing_a_module_opens_nothing_and_draws_nothing(module):
    calls = [node.func for node in outside_functions(tree(module)) if isinstance(node, ast.Call)]
    called = {getattr(one, "attr", getattr(one, "id", "")) for one in calls}
    assert not called & OPENERS


@pytest.mark.parametrize("module", MODULES)
def test_only_the_edge_reads_environment_variables(module):
    reads = {node.attr for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}
    if module.split(".")[0] in {"mpt", "tasks"}:
        assert not reads & {"environ", "getenv"}


@pytest.mark.parametrize("module", MODULES)
def test_a_file_is_read_in_one_sitting(module):
    assert len(MODULES[module].read_text().splitlines()) <= LONGEST


def test_no_other_distribution_installs_a_package_of_our_names():
    installed = packages_distributions()
    assert {name: set(installed.get(name, [])) - {"prompt-transfer"} for name in PACKAGES} == {
        name: set() for name in PACKAGES
    }


def test_nothing_unpickles():
    for module in MODULES:
        assert not imports(module) & {"pickle", "joblib", "dill", "cloudpickle"}
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "torch.load",
                "torch.save",
            }:
                pytest.fail(f"{module} calls {ast.unparse(node.func)}")
