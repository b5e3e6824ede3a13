"""Tiny networks, by functions that a model can name; shipped to the workers of a test."""

import keras


def mlp(inputs, width=8, dropout=0.0, norm=False, activation="sigmoid"):
    x = given = keras.Input((inputs,))
    x = keras.layers.Dense(width, "relu")(x)
    if norm:
        x = keras.layers.BatchNormalization(momentum=0.5)(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return keras.Model(given, keras.layers.Dense(1, activation)(x))


def two_inputs(left, right):
    a, b = keras.Input((left,), name="left"), keras.Input((right,), name="right")
    x = keras.layers.Concatenate()([keras.layers.Dense(4, "tanh")(a), b])
    return keras.Model({"left": a, "right": b}, keras.layers.Dense(1, "sigmoid")(x))


def autoencoder(inputs):
    given = keras.Input((inputs,))
    hidden = keras.layers.Dense(2, "tanh")(given)
    return keras.Model(given, keras.layers.Dense(inputs)(hidden))


@keras.saving.register_keras_serializable(package="toy")
class Doubled(keras.Model):
    """Its own training step: each gradient counts twice."""

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        doubled = [2.0 * gradient for gradient in gradients]
        self.optimizer.apply_gradients(zip(doubled, self.trainable_variables, strict=True))
        return {"loss": loss}


def doubled(inputs):
    given = keras.Input((inputs,))
    return Doubled(given, keras.layers.Dense(1, "sigmoid")(given))


def linear(inputs, first=0.0):
    given = keras.Input((inputs,))
    start = keras.initializers.Constant(first)
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer=start)
    return keras.Model(given, layer(given))


def not_a_model():
    return 3


def slow(inputs, pause):
    """Pause between two layers, so that another thread could draw from the same seeds."""
    import time

    given = keras.Input((inputs,))
    x = keras.layers.Dense(8, "relu")(given)
    time.sleep(pause)
    return keras.Model(given, keras.layers.Dense(1)(x))
