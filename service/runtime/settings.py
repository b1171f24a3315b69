"""Settings of the service, read once at the start from the command line and from COPYSIGHT_* variables."""

import ipaddress
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from copysight.pictures.decode import Limits
from copysight.pictures.formats import readers
from copysight.system import processors
from service.runtime.service_links import Environment


class Settings(BaseSettings):
    """All settings of ``copysight serve``. The variable of a setting is COPYSIGHT_ and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="COPYSIGHT_", frozen=True, extra="forbid")

    index: Path = Field(
        Path("index"), description="Directory of the index. An empty index is created if it does not exist."
    )
    catalog: str = Field(
        "",
        pattern="^(postgres(ql)?://.*)?$",
        description=(
            "PostgreSQL database that holds the catalog, as `postgresql://USER@HOST/DATABASE`; set it as a variable "
            "for all commands on the index. Empty: a SQLite file in the directory of the index."
        ),
    )
    blobs: str = Field(
        "",
        pattern="^(s3://.+)?$",
        description=(
            "Place on S3 for originals and thumbnails, as `s3://BUCKET/PREFIX`; set it as a variable for all commands "
            "on the index, with the `AWS_*` variables. Empty: files in the directory of the index."
        ),
    )
    blobs_cache: int = Field(
        256 * 2**20, ge=0, description="Bytes of originals and thumbnails from S3 that are kept in memory."
    )
    vectors: str = Field(
        "",
        pattern="^(files|https?://.*)?$",
        description=(
            "Milvus server that new generations are made in, as `http://USER:PASSWORD@HOST:PORT/DATABASE`; set it as a "
            "variable for all commands on the index. Empty, or `files`: files in the directory of the index."
        ),
    )
    bundle: str = Field(
        "default",
        description=(
            "Bundle for a new index: a directory, or `default`. If given, an existing index must be of this bundle."
        ),
    )
    host: str = Field("127.0.0.1", description="Address to listen on, such as `0.0.0.0`, `::1` or a name.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on. 0 picks a free port.")
    auth: str = Field(
        "",
        pattern="^(none|keys)?$",
        description="`keys` requires an API key for every request, `none` never. Empty: required except on loopback.",
    )
    cors_origins: str = Field(
        "",
        pattern=r"^(\*|https?://[^/,\s]+(,https?://[^/,\s]+)*)?$",
        description=(
            "Origins of other sites whose pages may use the API, separated by commas, such as "
            "`https://photos.example`. `*` allows all sites. Empty allows none."
        ),
    )
    root_path: str = Field(
        "",
        pattern=r"^((/[A-Za-z0-9._~-]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?|/)?$",
        description=(
            "Path under which a proxy serves the service, such as `/copysight`. The proxy may remove it from the "
            "requests, or leave it."
        ),
    )
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description=(
            "Addresses and networks of proxies, separated by commas, whose `X-Forwarded-Prefix` and "
            "`X-Forwarded-Proto` are believed. `*` believes everybody, empty nobody."
        ),
    )
    provider: str = Field(
        "auto",
        pattern="^(auto|cuda|openvino|cpu)$",
        description="Execution provider of the model: `cuda`, `openvino` or `cpu`. `auto` takes the first that works.",
    )
    variant: str = Field(
        "auto",
        description="Precision of the model for queries. `auto` takes the fastest one that is accurate enough.",
    )
    runners: int = Field(
        0, ge=0, description="Number of model calls that run at the same time. 0 means one for each core (1 on a GPU)."
    )
    decoders: int = Field(
        0,
        ge=0,
        description=(
            "Number of threads that only decode pictures. 0 means none on a CPU, where the model's threads decode, and "
            "one for each core on a GPU."
        ),
    )
    decode: str = Field(
        "thread",
        pattern="^(thread|process)$",
        description=(
            "Where pictures are decoded. `thread` is the fastest. With `process`, a crash in the decoder only loses "
            "that picture."
        ),
    )
    decode_memory: int = Field(
        2 * 2**30, ge=64 * 2**20, description="Memory limit of a decoding process, in bytes (with `decode=process`)."
    )
    decode_seconds: float = Field(
        10.0, gt=0, description="Time limit of a decoding process for one picture, in seconds (with `decode=process`)."
    )
    fetch_hosts: str = Field(
        "",
        description=(
            "Hosts from which pictures may be fetched by URL, separated by commas: `name`, `name:port`, `*.name` or "
            "`*`. Empty disables fetching."
        ),
    )
    fetch_networks: str = Field(
        "",
        description=(
            "Private networks from which pictures may be fetched, separated by commas, such as `10.1.0.0/16`. Public "
            "addresses are always allowed."
        ),
    )
    fetch_seconds: float = Field(
        10.0, gt=0, description="Time limit of fetching one picture, redirects included, in seconds."
    )
    webhook_networks: str = Field(
        "",
        description=(
            "Private networks that webhooks may be in, separated by commas, such as `10.1.0.0/16`. Public addresses "
            "are always allowed."
        ),
    )
    webhook_retry_seconds: float = Field(
        5.0,
        gt=0,
        le=3600,
        description="Seconds until a webhook that failed is tried again; the time doubles each time, up to an hour.",
    )
    batch: int = Field(
        0, ge=0, description="Maximum number of pictures in one model call. 0 means 1 on a CPU and 64 on a GPU."
    )
    queue: int = Field(
        256, ge=1, description="Maximum number of pictures in the queue. Requests beyond it get status 503."
    )
    deadline: float = Field(30.0, gt=0, description="Time limit of a request, in seconds. It then gets status 504.")
    max_body: int = Field(64 * 2**20, ge=1024, description="Maximum size of a request body, in bytes.")
    max_bodies: int = Field(
        512 * 2**20,
        ge=1024,
        description="Maximum size of all current request bodies together, in bytes. Requests beyond it get status 503.",
    )
    max_bytes: int = Field(32 * 2**20, ge=1024, description="Maximum size of a picture file, in bytes.")
    max_pixels: int = Field(100_000_000, ge=64, description="Maximum number of pixels of a picture.")
    formats: str = Field(
        ",".join(Limits().formats),
        description=(
            "Formats of pictures that are read, separated by commas. `HEIC` can be added after "
            "`pip install 'copysight[heic]'`."
        ),
    )
    max_items: int = Field(64, ge=1, description="Maximum number of pictures in a request.")
    precision: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Answer only matches that keep this expected precision, if a search does not say which. The "
        "default is to answer all.",
    )
    max_k: int = Field(1000, ge=1, description="Maximum number of matches (`k`) that a search may request.")

    remember: str = Field(
        "",
        pattern="^([1-9][0-9]{0,4}[smhd])?$",
        description=(
            "How long checksums and vectors of pictures that were searched for are kept, such as `30d`, so that a new "
            "item of a list is matched against them. Units are `s`, `m`, `h` and `d`. Empty: nothing is kept."
        ),
    )
    hma: bool = Field(
        False,
        description=(
            "Also answer the paths of HMA (`/h/hash`, `/m/lookup`, `/c/banks` …), with lists as banks. Needs "
            "`pip install 'copysight[hma]'`."
        ),
    )

    rebuild_every: float = Field(
        0.0,
        ge=0,
        description="Hours between scheduled rebuilds of an index that has changed. 0 disables the schedule.",
    )
    rebuild_when_due: bool = Field(
        True,
        description=(
            "Rebuild automatically when added and deleted items together exceed both 1,000 and a tenth of the index."
        ),
    )

    otlp: str = Field(
        "",
        pattern="^(https?://.+)?$",
        description=(
            "Collector of OpenTelemetry that gets traces and metrics by OTLP over HTTP, such as "
            "`http://collector:4318`. Empty: none. Needs `pip install 'copysight[otel]'`."
        ),
    )

    watch: str = Field(
        "",
        description=(
            "Folder that the collection `default` follows: it is synced at the start and when its files change, as by "
            "`copysight index sync`. Empty: none."
        ),
    )
    watch_seconds: float = Field(
        60.0, ge=0.1, description="Seconds between two looks at the watched folder; a sync needs two equal looks."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by ours
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options of the command line first, then the environment."""
        return init_settings, Environment(settings_cls)

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, host: str) -> str:
        """An IPv6 address may be written as in a URL: ``[::1]``."""
        return host[1:-1] if host.startswith("[") and host.endswith("]") else host

    @field_validator("root_path")
    @classmethod
    def _without_last_slash(cls, path: str) -> str:
        return path.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, given: str) -> str:
        for part in given.split(","):
            if part.strip() not in {"", "*"}:
                ipaddress.ip_network(part.strip())
        return given

    @field_validator("formats")
    @classmethod
    def _can_be_read(cls, given: str) -> str:
        return ",".join(readers.check(given.split(",")))

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins of other sites whose pages may use the API."""
        return tuple(self.cors_origins.split(",")) if self.cors_origins else ()

    @property
    def remember_seconds(self) -> float:
        """How long queries are remembered, in seconds; 0: not at all."""
        unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}
        return float(int(self.remember[:-1]) * unit[self.remember[-1]]) if self.remember else 0.0

    @property
    def limits(self) -> Limits:
        """Limits of one picture."""
        return Limits(max_bytes=self.max_bytes, max_pixels=self.max_pixels, formats=tuple(self.formats.split(",")))

    @property
    def cores(self) -> int:
        """Number of processors that this process may use."""
        return processors.available()
