"""Do global binary masks help a 3D U-Net when few labelled CTs exist?"""

__version__ = "0.1.0"
