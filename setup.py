"""An ament_python package that plain pip installs as well: the metadata stands here for both."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "snn_control"
HERE = Path(__file__).resolve().parent


def below(package, *patterns):
    """Data files of a package that match, relative to it (the setuptools of older distributions know no ``**``)."""
    root = HERE / package
    return sorted({str(path.relative_to(root)) for p in patterns for path in root.rglob(p) if path.is_file()})


def share(folder, *patterns):
    """Files of a top-level folder that go to ``share/snn_control/<folder>``."""
    return (
        f"share/{NAME}/{folder}",
        sorted(str(path.relative_to(HERE)) for p in patterns for path in (HERE / folder).glob(p)),
    )


ROS_WHEELS = [
    "rclpy", "rmw-fastrtps-cpp", "std-msgs", "sensor-msgs", "geometry-msgs", "nav-msgs", "trajectory-msgs",
    "diagnostic-msgs", "lifecycle-msgs", "std-srvs", "rosgraph-msgs",
]  # fmt: skip

# what builds packages of messages that no wheel has (tests/ros/interfaces)
GENERATORS = [
    "rosidl-default-generators", "rosidl-core-generators", "ament-cmake", "ament-cmake-ros-core",
    "ament-cmake-include-directories", "ament-cmake-export-link-flags", "ament-cmake-gtest", "ament-cmake-gmock",
    "ament-cmake-pytest", "ament-package",
]  # fmt: skip

# The official pybullet has wheels for Python 3.10 and 3.11. Its maintained fork has them for 3.10 to 3.13, for x86-64
# too. Both are imported as pybullet, and the worlds give the same bits with either.
PYBULLET = ['pybullet>=3.2.7; python_version < "3.12"', 'pybullet-arm64>=3.2.8; python_version >= "3.12"']

EXTRAS = {
    "sim": ["gymnasium>=1.0", *PYBULLET],
    "ros": [f"ros-{name}" for name in ROS_WHEELS],  # only where no ROS 2 distribution is installed
    "training": ["cma>=4.0", "threadpoolctl>=3.1"],
    "report": ["matplotlib>=3.8", "Jinja2>=3.1"],
    "nir": ["nir>=1.0.8"],
    "watch": ["websockets>=14", "pygame-ce"],  # pygame draws the worlds of Gymnasium
    "events": ["mcap>=1.2", "zstandard>=0.21", "lz4>=4.3", "aedat>=2.3", "av>=12.0"],
    "hdf5": ["h5py>=3.8", "hdf5plugin>=4.0", "zstandard>=0.21"],
}
EXTRAS["all"] = sorted({requirement for group in EXTRAS.values() for requirement in group})
EXTRAS["policy"] = ["onnx>=1.16"]  # 36 MB, only for policies that are .onnx files
# 100 MB: a C compiler for microcontrollers and an emulator of their processors; sizes and counts depend on the version
EXTRAS["c"] = ["ziglang==0.17.1", "unicorn==2.1.4"]
# environments of Gymnasium
EXTRAS["box2d"] = ["gymnasium[box2d]"]
EXTRAS["mujoco"] = ["gymnasium[mujoco]"]
# heavy, and only for training: several machines, and a look on with a tool of its own
EXTRAS["ray"] = ["ray>=2.40"]
EXTRAS["tensorboard"] = ["tensorboard>=2.15"]
# that ours are compared with
EXTRAS["decoders"] = ["evutils", "expelliarmus", "faery", "rosbags", "dv-processing"]
EXTRAS["test"] = [
    "brian2>=2.9",
    "build>=1.2",
    "jsonschema>=3.2",
    "hypothesis>=6.100",
    "mypy>=1.10",
    "playwright>=1.40",  # with the system's chromium, tests of the live page
    *EXTRAS["policy"],
    *EXTRAS["c"],
    "proselint>=0.16",
    "pytest>=8.0",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.7",
    "ruff>=0.6",
    "types-PyYAML",
]
EXTRAS["docs"] = ["furo", "myst-parser>=4.0", "sphinx>=8.1", "sphinx-copybutton>=0.5"]
# what the tests that `make test` skips need
EXTRAS["test-all"] = [one for name in ("ray", "tensorboard", "decoders", "box2d", "mujoco") for one in EXTRAS[name]]
# for the tests with event_camera_msgs and its like, where no distribution brings them; needs a C and C++ compiler
EXTRAS["interfaces"] = ["catkin_pkg", "cmake>=3.20", "ninja", *(f"ros-{name}" for name in GENERATORS)]

setup(
    name=NAME,
    version="0.1.0",
    description="Spiking neural controllers: one compiled tick from simulation to ROS 2 in real time",
    long_description=(HERE / "README.md").read_text(encoding="utf-8") if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    author="snn_control contributors",
    maintainer="snn_control contributors",
    maintainer_email="snn_control@example.org",
    license="Apache-2.0",
    keywords=["ROS 2", "spiking neural network", "neuromorphic", "event camera", "robot control", "Gymnasium"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering",
    ],
    packages=find_packages(include=[NAME, f"{NAME}.*", "sim_worlds", "sim_worlds.*"]),
    package_data={
        NAME: below(
            NAME,
            "*.j2",
            "templates/*.yaml",
            "templates/*.txt",
            "templates/robots/*.yaml",
            "watch/page/*",
            "py.typed",
            "c_export/kernels/*.h",
        ),
        "sim_worlds": below("sim_worlds", "*.urdf", "*.json", "*.yaml"),
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        share("config", "*.yaml", "*.yml", "*.nir", "*.npz", "*.rviz", "*.json"),
        share("examples/recipes", "*.py"),
        share("launch", "*.launch.py", "*.launch.xml", "*.launch.yaml"),
    ],
    python_requires=">=3.10",
    install_requires=["numpy>=1.24", "numba>=0.59", "PyYAML>=5.4", "rich>=12"],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            f"snn_control = {NAME}.__main__:main",
            f"controller_node = {NAME}.ros.nodes.controller_node:main",
            f"world_node = {NAME}.ros.nodes.world_node:main",
            f"encoder_node = {NAME}.ros.nodes.encoder_node:main",
            f"view_node = {NAME}.ros.nodes.view_node:main",
        ],
        "ros2cli.command": [f"snn = {NAME}.cli.ros2_tools:SnnCommand"],
        "ros2doctor.checks": [f"snn_control = {NAME}.cli.ros2_tools:MachineCheck"],
    },
    zip_safe=False,
)
